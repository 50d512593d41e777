// How Kandinsky 2.2's decoder is told a picture's embedding, which is all that it is told: as tokens for
// attention, and beside the time embedding. Reference: diffusers models/embeddings.py ImageProjection
// ("encoder_hid_proj") and ImageTimeEmbedding ("add_embedding").
#ifndef MIND_WORKER_DIFFUSION_MODELS_PICTURE_CONTEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_PICTURE_CONTEXT_H_

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class PictureContext {
 public:
  static constexpr int64_t kTokens = 32;  // of a picture, whatever the configuration

  // `scope`: of the UNet. `embedding`: numbers of the vector; the others: of a token, of the time embedding.
  PictureContext(const Scope& scope, int64_t embedding, int64_t context_width, int64_t time_width);

  // picture [B, embedding] → [B, kTokens, context_width]
  at::Tensor Tokens(const at::Tensor& picture) const;
  // picture [B, embedding] → [B, time_width]: is added to the time embedding
  at::Tensor Added(const at::Tensor& picture) const { return added_norm_(added_(picture)); }

 private:
  Linear tokens_;
  LayerNorm tokens_norm_;
  Linear added_;
  LayerNorm added_norm_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PICTURE_CONTEXT_H_
