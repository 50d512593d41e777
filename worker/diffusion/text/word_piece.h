// BERT's tokenizer, equal to transformers' BertTokenizer: control characters dropped, every CJK ideograph a
// word of its own, lower case and accents stripped where the vocabulary is uncased, words split at white
// space and punctuation, then into the longest pieces the vocabulary has ("##" before all but the first).
// Devlin et al. 2019; reference: transformers models/bert/tokenization_bert.py.
#ifndef MIND_WORKER_DIFFUSION_TEXT_WORD_PIECE_H_
#define MIND_WORKER_DIFFUSION_TEXT_WORD_PIECE_H_

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

class WordPieceTokenizer : public Tokenizer {
 public:
  // A tokenizer/ directory: vocab.txt, one piece a line, its number the id; tokenizer_config.json. Throws
  // ModelError.
  static std::unique_ptr<WordPieceTokenizer> FromDirectory(const std::string& directory);

  std::vector<int64_t> Encode(std::string_view text) const override;
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override;
  size_t model_length() const override { return options_.model_length; }
  int64_t largest_id() const override { return largest_id_; }

 private:
  struct Options {
    size_t model_length = 512;
    bool lower_case = true;
    bool split_cjk = true;
    std::string unknown = "[UNK]", begin = "[CLS]", end = "[SEP]", pad = "[PAD]", mask = "[MASK]";
  };

  WordPieceTokenizer(std::unordered_map<std::string, int64_t> ids, Options options,
                     const std::string& directory);
  void EncodePlain(std::string_view text, std::vector<int64_t>* ids) const;
  void EncodeWord(std::u32string_view word, std::vector<int64_t>* ids) const;

  std::unordered_map<std::string, int64_t> ids_;  // by piece
  int64_t largest_id_ = 0;
  Options options_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_WORD_PIECE_H_
