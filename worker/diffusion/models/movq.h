// MoVQ: the autoencoder of Kandinsky 2's latents, whose decoder looks at the latents in every norm
// (diffusers' VQModel with norm_type "spatial"). Nothing is looked up in its codebook: diffusion works on
// what was not quantised. Sources: Zheng et al. 2022; diffusers models/autoencoders/{vq_model,vae}.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_MOVQ_H_
#define MIND_WORKER_DIFFUSION_MODELS_MOVQ_H_

#include <vector>

#include "worker/diffusion/models/autoencoder_kl.h"

namespace mind::diffusion {

// Latents are not scaled: scaling_factor is 1, whatever the file says.
struct MovqConfig : AutoencoderConfig {
  int64_t codes = 256;                    // of the codebook
  int64_t code_width = 0;                 // of one of them, and of what is encoded and decoded
  std::vector<bool> down_attention = {};  // whether a level attends after its residual blocks, finest first
  std::vector<bool> up_attention = {};    // likewise on the way back, coarsest first

  // movq/config.json. Throws ModelError.
  static MovqConfig From(const Config& config);
};

// Immutable after construction; any thread may call.
class Movq {
 public:
  Movq(const Scope& scope, const MovqConfig& config);

  // image float [B, 3, H, W] in [-1, 1] → float [B, code_width, H/r, W/r]
  at::Tensor Encode(const at::Tensor& image) const;
  // latents [B, code_width, h, w] → image float [B, 3, h·r, w·r], about [-1, 1], not clamped.
  at::Tensor Decode(const at::Tensor& latents) const;

  const MovqConfig& config() const { return config_; }

 private:
  MovqConfig config_;
  Conv2d encoder_in_;
  std::vector<DownBlock> down_;
  MiddleBlock encoder_middle_;
  GroupNorm encoder_norm_;
  Conv2d encoder_out_;
  Conv2d quant_, post_quant_;
  Conv2d decoder_in_;
  MiddleBlock decoder_middle_;
  std::vector<UpBlock> up_;
  SpatialNorm decoder_norm_;
  Conv2d decoder_out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_MOVQ_H_
