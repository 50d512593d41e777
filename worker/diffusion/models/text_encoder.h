// What turns a prompt's token ids into what a denoiser is conditioned on.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TEXT_ENCODER_H_
#define MIND_WORKER_DIFFUSION_MODELS_TEXT_ENCODER_H_

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "worker/diffusion/text/tokenizer.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// What an encoder makes of a text. Which of it a denoiser is told is the pipeline's choice.
struct TextStates {
  // [B, N, width] each: the embeddings, then the states after every layer, before the final norm.
  std::vector<at::Tensor> layers;
  at::Tensor pooled;  // float [B, P]: the whole text as one vector; undefined where the encoder has none
};

// Learnt vectors that stand in a text for tokens (textual inversion, Gal et al. 2022).
struct InsertedVectors {
  int64_t row = 0, place = 0;  // of the first of the tokens they replace
  at::Tensor vectors;          // float [n, width]
};

// Immutable after construction; any thread may call.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  // ids int64 [B, N], N ≤ positions(). Throws RequestError where there are more.
  virtual TextStates States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const = 0;
  // The final norm, where the encoder has one: of any layer's states, [B, N, width].
  virtual at::Tensor Norm(const at::Tensor& states) const = 0;
  // What latent diffusion is commonly told: the states after all but the last `skip` layers, normed.
  // REQUIRES: 0 ≤ skip ≤ max_skip()
  at::Tensor Encode(const at::Tensor& ids, int64_t skip = 0) const {
    const std::vector<at::Tensor> layers = States(ids, {}).layers;
    return Norm(layers[layers.size() - 1 - static_cast<size_t>(skip)]);
  }
  virtual int64_t width() const = 0;
  virtual int64_t positions() const = 0;
  virtual int64_t vocabulary() const = 0;  // ids are below this
  virtual int64_t max_skip() const = 0;
};

// The embeddings of tokens [B, N, width] with the learnt vectors in their places. Throws ModelError where
// those have another width. REQUIRES: they lie within the rows.
at::Tensor WithInserted(const at::Tensor& embeddings, const std::vector<InsertedVectors>& inserted);

// The encoder a text_encoder/config.json describes (model_type clip_text_model or bert). Throws ModelError.
std::unique_ptr<const TextEncoder> MakeTextEncoder(const Scope& scope, const Config& config);

// Throws ModelError naming `model` if the tokenizer makes ids that the encoder has no embedding for: looked
// up all the same, they would end a CUDA context.
void ExpectSameVocabulary(const Tokenizer& tokenizer, const TextEncoder& encoder, const std::string& model);

// Its max_skip(), without its weights. Throws ModelError.
int64_t MaxSkip(const Config& config);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TEXT_ENCODER_H_
