// Folds a whole prompt into one vector that joins the time embedding (addition_embed_type "text").
#ifndef MIND_WORKER_DIFFUSION_MODELS_TEXT_POOLING_H_
#define MIND_WORKER_DIFFUSION_MODELS_TEXT_POOLING_H_

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

// norm1, attention pooling (the mean token asks, all tokens answer), proj, norm2.
// Source: diffusers models/embeddings.py TextTimeEmbedding and AttentionPooling.
class TextPooling {
 public:
  TextPooling(const Scope& scope, int64_t text_width, int64_t out_width, int64_t heads);
  // text [B, M, text_width] → [B, out_width]
  at::Tensor operator()(const at::Tensor& text) const;

 private:
  int64_t heads_;
  LayerNorm norm1_;
  at::Tensor positional_;
  Linear q_, k_, v_, projection_;
  LayerNorm norm2_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TEXT_POOLING_H_
