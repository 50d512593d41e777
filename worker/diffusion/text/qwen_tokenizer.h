// The tokenizer of Qwen's language models: byte-pair encoding over the bytes of NFC text, without begin and
// end marks. Reference: transformers' Qwen2Tokenizer, of Qwen2, 2.5 and 3.
#ifndef MIND_WORKER_DIFFUSION_TEXT_QWEN_TOKENIZER_H_
#define MIND_WORKER_DIFFUSION_TEXT_QWEN_TOKENIZER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/text/byte_pair_encoding.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

class QwenTokenizer : public Tokenizer {
 public:
  // A tokenizer/ directory: tokenizer_config.json beside tokenizer.json or, where there is none of that,
  // vocab.json and merges.txt. Throws ModelError, of a tokenizer.json that says other rules than Qwen's too.
  static std::unique_ptr<QwenTokenizer> FromDirectory(const std::string& directory);

  // Marks (<|im_start|> …) that are written out in a text are themselves.
  std::vector<int64_t> Encode(std::string_view text) const override;
  // Cut behind, whatever is lost by it, or padded behind.
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override;
  size_t model_length() const override { return length_; }
  int64_t largest_id() const override { return largest_id_; }

 private:
  using Marks = std::map<std::string, int64_t, std::less<>>;

  QwenTokenizer(BytePairEncoding encoding, Marks marks, const std::string& padding, size_t length,
                const std::string& name);
  // The longest mark that the text begins with; end() of marks_: none.
  Marks::const_iterator MarkAt(std::string_view text) const;
  // Of what is between marks.
  void EncodePlain(std::string_view text, std::vector<int64_t>* ids) const;

  BytePairEncoding encoding_;
  Marks marks_;  // by how they are written
  int64_t padding_ = 0, largest_id_ = 0;
  size_t length_, longest_mark_ = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_QWEN_TOKENIZER_H_
