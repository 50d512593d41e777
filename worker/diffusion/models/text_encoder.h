// What turns a prompt's token ids into what a denoiser is conditioned on.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TEXT_ENCODER_H_
#define MIND_WORKER_DIFFUSION_MODELS_TEXT_ENCODER_H_

#include <ATen/ATen.h>

#include <memory>

#include "worker/diffusion/text/tokenizer.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  // ids int64 [B, N], N ≤ positions() → the states after all but the last `skip` layers, [B, N, width()].
  // REQUIRES: 0 ≤ skip ≤ max_skip()
  virtual at::Tensor Encode(const at::Tensor& ids, int64_t skip = 0) const = 0;
  virtual int64_t width() const = 0;
  virtual int64_t positions() const = 0;
  virtual int64_t vocabulary() const = 0;  // ids are below this
  virtual int64_t max_skip() const = 0;
};

// The encoder a text_encoder/config.json describes (model_type clip_text_model or bert). Throws ModelError.
std::unique_ptr<const TextEncoder> MakeTextEncoder(const Scope& scope, const Config& config);

// Throws ModelError naming `model` if the tokenizer makes ids that the encoder has no embedding for: looked
// up all the same, they would end a CUDA context.
void ExpectSameVocabulary(const Tokenizer& tokenizer, const TextEncoder& encoder, const std::string& model);

// Its max_skip(), without its weights. Throws ModelError.
int64_t MaxSkip(const Config& config);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TEXT_ENCODER_H_
