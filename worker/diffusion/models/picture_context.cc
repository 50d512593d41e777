#include "worker/diffusion/models/picture_context.h"

namespace mind::diffusion {

PictureContext::PictureContext(const Scope& scope, int64_t embedding, int64_t context_width,
                               int64_t time_width)
    : tokens_(scope / "encoder_hid_proj.image_embeds", embedding, kTokens * context_width),
      tokens_norm_(scope / "encoder_hid_proj.norm", context_width),
      added_(scope / "add_embedding.image_proj", embedding, time_width),
      added_norm_(scope / "add_embedding.image_norm", time_width) {}

at::Tensor PictureContext::Tokens(const at::Tensor& picture) const {
  return tokens_norm_(tokens_(picture).reshape({picture.size(0), kTokens, -1}));
}

}  // namespace mind::diffusion
