// GLIDE's tokenizer: GPT-2's byte-pair encoding on lower-cased text, without begin and end marks.
// Reference: openai/glide-text2im tokenizer/bpe.py; openai/gpt-2 src/encoder.py.
#ifndef MIND_WORKER_DIFFUSION_TEXT_GLIDE_BPE_H_
#define MIND_WORKER_DIFFUSION_TEXT_GLIDE_BPE_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/text/byte_pair_encoding.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

class GlideBpeTokenizer : public Tokenizer {
 public:
  // Reads encoder.json and vocab.bpe; `length` is the model's text_ctx. Throws ModelError.
  static std::unique_ptr<GlideBpeTokenizer> FromDirectory(const std::string& directory, size_t length);

  std::vector<int64_t> Encode(std::string_view text) const override;
  // Cut, or padded with the end token.
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override;
  size_t model_length() const override { return length_; }
  int64_t largest_id() const override { return encoding_.largest_id(); }

 private:
  GlideBpeTokenizer(BytePairEncoding encoding, int64_t end, size_t length)
      : encoding_(std::move(encoding)), end_id_(end), length_(length) {}

  BytePairEncoding encoding_;
  int64_t end_id_;
  size_t length_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_GLIDE_BPE_H_
