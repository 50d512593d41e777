// CLIP's text tower: SD 1.x (ViT-L/14), SD 2.x (OpenCLIP ViT-H under transformers' names), and small ones.
#ifndef MIND_WORKER_DIFFUSION_MODELS_CLIP_TEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_CLIP_TEXT_H_

#include <vector>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/text_encoder.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct ClipTextConfig {
  int64_t vocabulary = 49408;
  int64_t width = 768;
  int64_t feed_forward = 3072;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t positions = 77;
  double epsilon = 1e-5;
  Activation activation = Activation::kQuickGelu;
  int64_t end_token = 2;  // 2 is transformers' old wrong value: then the largest id marks the end

  // text_encoder/config.json. Throws ModelError.
  static ClipTextConfig From(const Config& config);
};

// One pre-norm layer with causal self-attention.
class ClipTextLayer {
 public:
  ClipTextLayer(const Scope& scope, const ClipTextConfig& config);
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& causal_mask) const;

 private:
  int64_t heads_;
  Activation activation_;
  LayerNorm layer_norm1_, layer_norm2_;
  Linear q_, k_, v_, out_, fc1_, fc2_;
};

// Immutable after construction; any thread may call. Source: transformers CLIPTextTransformer; Radford et al.
// 2021.
class ClipText : public TextEncoder {
 public:
  ClipText(const Scope& scope, const ClipTextConfig& config);

  struct Output {
    at::Tensor embeddings;  // [B, N, width]: tokens + positions
    std::vector<at::Tensor>
        hidden;  // layers + 1 of [B, N, width]: the embeddings, then after each layer; no final norm
  };
  // ids int64 [B, N], N ≤ positions.
  Output operator()(const at::Tensor& ids) const;

  at::Tensor FinalNorm(const at::Tensor& hidden) const { return final_norm_(hidden); }
  // What a diffusion model is conditioned on: the states after all but `skip` layers, normed. [B, N, width]
  // REQUIRES: 0 ≤ skip < layers
  at::Tensor Encode(const at::Tensor& ids, int64_t skip = 0) const override;
  int64_t width() const override { return config_.width; }
  int64_t positions() const override { return config_.positions; }
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t max_skip() const override { return config_.layers - 1; }
  // The normed state at the end token. [B, width]
  at::Tensor Pooled(const at::Tensor& ids, const at::Tensor& normed) const;

 private:
  ClipTextConfig config_;
  Embedding token_embedding_, position_embedding_;
  std::vector<ClipTextLayer> layers_;
  LayerNorm final_norm_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_CLIP_TEXT_H_
