// unCLIP's way from a picture's and a prompt's vectors to what its decoder is told. Ramesh et al. 2022, sec.
// 2.1: the picture joins the time embedding, and stands before the prompt as tokens of its own.
#ifndef MIND_WORKER_DIFFUSION_MODELS_PICTURE_PROJECTION_H_
#define MIND_WORKER_DIFFUSION_MODELS_PICTURE_PROJECTION_H_

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct PictureProjectionConfig {
  int64_t embedding = 768;       // numbers of CLIP's vectors
  int64_t tokens = 4;            // that a picture becomes
  int64_t context_width = 1536;  // of the decoder's context
  int64_t time_width = 1536;     // of its time embedding

  // text_proj/config.json (UnCLIPTextProjModel). Throws ModelError.
  static PictureProjectionConfig From(const Config& config);
};

// Immutable after construction; any thread may call. Source: diffusers pipelines/unclip/text_proj.py.
class PictureProjection {
 public:
  struct Projected {
    at::Tensor context;  // [B, tokens + M, context_width]: the picture's tokens, then the prompt's
    at::Tensor image;    // [B, time_width]: for the time embedding
  };

  PictureProjection(const Scope& scope, const PictureProjectionConfig& config);

  // picture [B, embedding], pooled [B, embedding] and states [B, M, embedding] of the prompt.
  Projected operator()(const at::Tensor& picture, const at::Tensor& pooled, const at::Tensor& states) const;
  // [embedding]: the picture that is none, which guidance leads away from.
  const at::Tensor& no_picture() const { return no_picture_; }
  const PictureProjectionConfig& config() const { return config_; }

 private:
  PictureProjectionConfig config_;
  at::Tensor no_picture_;
  Linear pooled_to_time_, picture_to_time_, picture_to_tokens_, text_in_;
  LayerNorm text_norm_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PICTURE_PROJECTION_H_
