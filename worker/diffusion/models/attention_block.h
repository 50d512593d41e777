// Self-attention over the pixels of a feature map, as in DDPM's UNet and the autoencoders' middle.
#ifndef MIND_WORKER_DIFFUSION_MODELS_ATTENTION_BLOCK_H_
#define MIND_WORKER_DIFFUSION_MODELS_ATTENTION_BLOCK_H_

#include <optional>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/spatial_mixer.h"
#include "worker/diffusion/models/spatial_norm.h"

namespace mind::diffusion {

// group_norm, to_q/to_k/to_v (with bias), attention, to_out.0, + x, divided by `output_scale`. Reads the
// tensors under the names of today (to_q …) or of diffusers before 0.17 (query, key, value, proj_attn). With
// a context, its tokens are keys and values before the pixels' own (add_k_proj, add_v_proj; GLIDE, Nichol et
// al. 2022, sec. 3), normed first where the options say so (norm_cross), or instead of them; its mask is
// theirs alone. Source: diffusers models/attention_processor.py Attention
// with residual_connection, AttnAddedKVProcessor.
class AttentionBlock : public SpatialMixer {
 public:
  struct Options {
    int64_t heads = 1;
    int64_t groups = 32;
    double epsilon = 1e-6;
    double output_scale = 1;
    int64_t context_width = 0;  // 0: pixels see pixels only
    // Of the latents that its norm looks at, "spatial_norm" then (SpatialNorm); 0: at none.
    int64_t latent_channels = 0;
    bool only_context = false;  // pixels see the context only
    bool context_norm = false;  // of channels in groups, over all tokens
  };

  AttentionBlock(const Scope& scope, int64_t channels, const Options& options);
  at::Tensor operator()(const at::Tensor& x, const Signals& signals) const override;

 private:
  Options options_;
  BlockNorm norm_;
  Linear to_q_, to_out_;
  std::optional<Linear> to_k_, to_v_;  // none where pixels see the context only
  std::optional<Linear> context_k_, context_v_;
  std::optional<GroupNorm> context_norm_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_ATTENTION_BLOCK_H_
