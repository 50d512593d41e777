// CLIP's text tower: SD 1.x (ViT-L/14), SD 2.x (OpenCLIP ViT-H under transformers' names), and small ones.
#ifndef MIND_WORKER_DIFFUSION_MODELS_CLIP_TEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_CLIP_TEXT_H_

#include <optional>
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
  int64_t end_token = 2;   // 2 is transformers' old wrong value: then the largest id marks the end
  int64_t projection = 0;  // width of what the pooled state is mapped to without bias; 0: it is not

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

  // Pooled is the normed state at the end token, projected where the encoder has a projection.
  TextStates States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const override;
  at::Tensor Norm(const at::Tensor& states) const override { return final_norm_(states); }
  int64_t width() const override { return config_.width; }
  int64_t positions() const override { return config_.positions; }
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t max_skip() const override { return config_.layers - 1; }

 private:
  // The state at each row's end token. [B, width]
  at::Tensor AtEnd(const at::Tensor& ids, const at::Tensor& states) const;

  ClipTextConfig config_;
  Embedding token_embedding_, position_embedding_;
  std::vector<ClipTextLayer> layers_;
  LayerNorm final_norm_;
  std::optional<Linear> projection_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_CLIP_TEXT_H_
