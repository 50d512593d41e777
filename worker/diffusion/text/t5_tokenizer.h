// T5's tokenizer: a SentencePiece model, an end mark, and sentinels that the model's file does not know.
// Reference: transformers' T5Tokenizer.
#ifndef MIND_WORKER_DIFFUSION_TEXT_T5_TOKENIZER_H_
#define MIND_WORKER_DIFFUSION_TEXT_T5_TOKENIZER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/text/sentence_piece.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

class T5Tokenizer : public Tokenizer {
 public:
  // A tokenizer/ directory: spiece.model and tokenizer_config.json. Throws ModelError.
  static std::unique_ptr<T5Tokenizer> FromDirectory(const std::string& directory);

  // Marks and sentinels (<extra_id_0> is the last of all ids) that are written out in a text are themselves;
  // what is between them is cut by itself.
  std::vector<int64_t> Encode(std::string_view text) const override;
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override;
  size_t model_length() const override { return length_; }
  int64_t largest_id() const override { return pieces_->largest_id() + sentinels_; }

  // Of the text between marks.
  const SentencePieceTokenizer& pieces() const { return *pieces_; }

 private:
  T5Tokenizer(std::unique_ptr<const SentencePieceTokenizer> pieces, int64_t sentinels, size_t length);

  std::unique_ptr<const SentencePieceTokenizer> pieces_;
  int64_t sentinels_;
  size_t length_;
  int64_t end_ = 0, padding_ = 0;
  std::map<std::string, int64_t, std::less<>> marks_;  // by how they are written
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_T5_TOKENIZER_H_
