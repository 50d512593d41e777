// The UNet of DDPM, score-SDE, GLIDE and latent diffusion.
// Sources: Ho et al. 2020, app. B; Song et al. 2021, app. H; Nichol et al. 2022, sec. 4; Rombach et al. 2022,
// sec. 3.3; diffusers models/unets/unet_2d{,_condition}.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_UNET_H_
#define MIND_WORKER_DIFFUSION_MODELS_UNET_H_

#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/unet_trunk.h"

namespace mind::diffusion {

class UNet : public Denoiser {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  UNet(const Scope& scope, const UNetConfig& config);

  at::Tensor operator()(const DenoiserInput& input) const override;

  const UNetConfig& config() const { return trunk_.config(); }

 private:
  UNetTrunk trunk_;
  std::vector<UpBlock> up_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_H_
