// CLIP's image tower: a picture as one vector (unCLIP, Kandinsky, picture prompts).
#ifndef MIND_WORKER_DIFFUSION_MODELS_CLIP_VISION_H_
#define MIND_WORKER_DIFFUSION_MODELS_CLIP_VISION_H_

#include <vector>

#include "worker/diffusion/models/clip_text.h"

namespace mind::diffusion {

struct ClipVisionConfig {
  int64_t image_size = 224;  // pixels, square
  int64_t patch_size = 32;   // likewise
  int64_t width = 768;
  int64_t feed_forward = 3072;
  int64_t layers = 12;
  int64_t heads = 12;
  double epsilon = 1e-5;
  Activation activation = Activation::kQuickGelu;
  int64_t projection = 512;
  int64_t timesteps = 0;  // more than 0: it sees noised pictures, by a class token for each training step

  // image_encoder/config.json (model_type clip_vision_model). Throws ModelError.
  static ClipVisionConfig From(const Config& config);
};

// What the tower makes of a picture.
struct PictureStates {
  // [B, 1 + patches, width] each, the class token first: the embeddings after their norm, then the states
  // after every layer.
  std::vector<at::Tensor> layers;
  at::Tensor embedding;  // float [B, projection]: the class token's last state, normed and projected
};

// Immutable after construction; any thread may call. Source: transformers CLIPVisionModelWithProjection;
// Radford et al. 2021.
class ClipVision {
 public:
  ClipVision(const Scope& scope, const ClipVisionConfig& config);

  // pixels float [B, 3, image_size, image_size], normalized; timestep float [B], of a tower with timesteps.
  PictureStates operator()(const at::Tensor& pixels, const at::Tensor& timestep = {}) const;
  const ClipVisionConfig& config() const { return config_; }

 private:
  ClipVisionConfig config_;
  at::Tensor FirstTokens(int64_t rows, const at::Tensor& timestep) const;

  at::Tensor class_token_;  // [width], or [timesteps, width]
  at::Tensor patches_;      // [width, 3, patch_size, patch_size]
  at::Tensor positions_;    // [1 + patches, width]
  LayerNorm norm_before_;
  std::vector<ClipTextLayer> layers_;
  LayerNorm norm_after_;
  Linear projection_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_CLIP_VISION_H_
