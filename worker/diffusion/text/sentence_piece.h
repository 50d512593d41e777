// SentencePiece's tokenizer, unigram and byte-pair models: what Taichu-GLIDE reads its Chinese prompts with.
// Kudo 2018 (unigram), Sennrich et al. 2016 (byte pairs); reference: google/sentencepiece v0.1.97.
// Not by its own library: docs/adr/0010-sentencepiece.md says why.
#ifndef MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_H_
#define MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/text/sentence_piece_model.h"
#include "worker/diffusion/text/sentence_piece_normalizer.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

// The pieces of the text alone, without begin and end marks.
class SentencePieceTokenizer : public Tokenizer {
 public:
  // The one *.model file in a tokenizer/ directory; `length` is the model's. Throws ModelError.
  static std::unique_ptr<SentencePieceTokenizer> FromDirectory(const std::string& directory, size_t length);
  // Whether the directory has such a file.
  static bool IsIn(const std::string& directory);

  // The bytes of such a file, `name` standing for its path in errors. Throws ModelError.
  SentencePieceTokenizer(const std::string& file, const std::string& name, size_t length);

  std::vector<int64_t> Encode(std::string_view text) const override;
  // Cut, or padded with the vocabulary's padding, or if it has none with its end mark, or with 0.
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override;
  size_t model_length() const override { return length_; }
  int64_t largest_id() const override { return static_cast<int64_t>(model_.pieces.size()) - 1; }
  const SentencePieceModel& model() const { return model_; }

 private:
  struct Part {
    std::string_view text;
    int64_t id = 0;
  };

  // The likeliest pieces, one after the other.
  std::vector<Part> ByLikelihood(std::string_view text) const;
  // Neighbours merged, the best pair first.
  std::vector<Part> ByMerging(std::string_view text) const;
  int64_t IdOf(std::string_view piece) const;

  SentencePieceModel model_;
  SentencePieceNormalizer normalize_;
  float least_score_ = 0, greatest_score_ = 0;  // of normal pieces
  size_t length_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_H_
