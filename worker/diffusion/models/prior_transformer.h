// unCLIP's prior: from a prompt to what CLIP would make of its picture, by diffusion over that vector.
// Ramesh et al. 2022, sec. 2.2.
#ifndef MIND_WORKER_DIFFUSION_MODELS_PRIOR_TRANSFORMER_H_
#define MIND_WORKER_DIFFUSION_MODELS_PRIOR_TRANSFORMER_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// Far enough below any logit that what it is added to is not seen.
inline constexpr double kUnseen = -10000;

struct PriorTransformerConfig {
  int64_t heads = 32;
  int64_t head_width = 64;
  int64_t layers = 20;
  int64_t embedding = 768;   // numbers of the vector, and of text states and pooled text
  int64_t text_tokens = 77;  // of the prompt, always as many
  bool read_token = true;    // a last token of its own, at which the answer is read; else at the vector's

  int64_t width() const { return heads * head_width; }
  int64_t tokens() const { return text_tokens + (read_token ? 4 : 3); }

  // diffusers' PriorTransformer. Throws ModelError naming the first key whose value is not supported.
  static PriorTransformerConfig From(const Config& config);
};

// One pre-norm layer: attention with biases, then a feed-forward layer with GELU.
class PriorLayer {
 public:
  PriorLayer(const Scope& scope, const PriorTransformerConfig& config);
  // x [B, N, width], mask [B or 1, 1, N, N] or undefined → [B, N, width]
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& mask) const;

 private:
  int64_t heads_;
  LayerNorm norm1_, norm3_;
  Linear to_q_, to_k_, to_v_, to_out_, in_, out_;
};

// Its x is a vector: sample float [B, embedding]. Told kText [B, text_tokens, embedding], kPooled [B,
// embedding], and kTextMask [B, text_tokens] or nothing of that. With a mask tokens see only those before
// them; without one, all: so the reference. Immutable after construction; any thread may call. Source:
// diffusers models/transformers/prior_transformer.py.
class PriorTransformer : public Denoiser {
 public:
  PriorTransformer(const Scope& scope, const PriorTransformerConfig& config);

  at::Tensor operator()(const DenoiserInput& input) const override;
  // The vector that x at its end stands for: x is centred and scaled. [.., embedding]
  at::Tensor Embedding(const at::Tensor& x) const { return x * deviation_ + mean_; }
  const PriorTransformerConfig& config() const { return config_; }

 private:
  at::Tensor MaskOf(const at::Tensor& text_mask) const;

  PriorTransformerConfig config_;
  Linear text_in_, pooled_in_, vector_in_;
  TimestepMlp time_embedding_;
  at::Tensor positions_;   // [1, tokens, width]
  at::Tensor read_token_;  // [1, 1, width], or undefined
  std::vector<PriorLayer> layers_;
  LayerNorm norm_out_;
  Linear vector_out_;
  at::Tensor mean_, deviation_;  // [embedding]
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PRIOR_TRANSFORMER_H_
