// ControlNet: a copy of a UNet's first half that sees a picture beside x, and steers by what it adds to the
// UNet's skip connections and middle. Zhang et al. 2023, sec. 3; reference: diffusers
// models/controlnets/controlnet.py ControlNetModel.
#ifndef MIND_WORKER_DIFFUSION_MODELS_CONTROL_NET_H_
#define MIND_WORKER_DIFFUSION_MODELS_CONTROL_NET_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/diffusion/models/control.h"
#include "worker/diffusion/models/picture_fusion.h"
#include "worker/diffusion/models/unet_trunk.h"

namespace mind::diffusion {

struct ControlNetConfig {
  UNetConfig trunk;
  std::vector<int64_t> picture_channels;  // of the convolutions that bring the picture to the latents' size
  bool bgr = false;                       // it was trained on pictures with red and blue exchanged
  PictureFusionConfig fusion;             // of several kinds of pictures
  bool pools = false;  // adds the same everywhere: the means over the picture (global_pool_conditions)

  // How many times smaller than the picture the latents are.
  int64_t reduction() const { return int64_t{1} << (picture_channels.size() - 1); }

  // Its config.json. Throws ModelError.
  static ControlNetConfig From(const Config& config);
};

class ControlNet : public ControlNetwork {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  ControlNet(const Scope& scope, const ControlNetConfig& config);

  Additions operator()(const DenoiserInput& input, const Control& control) const override;

  const ControlNetConfig& config() const { return config_; }

 private:
  // [B, 3, H, W] → [B, base channels, h, w]
  at::Tensor EmbedPicture(const at::Tensor& picture) const;
  // x, with what the pictures add to it at the network's beginning.
  at::Tensor WithPictures(const at::Tensor& x, const Control& control) const;

  ControlNetConfig config_;
  UNetTrunk trunk_;
  std::vector<Conv2d> picture_;  // all but the last are followed by SiLU
  std::optional<PictureFusion> fusion_;
  std::vector<Conv2d> additions_;  // one a skip connection
  Conv2d middle_addition_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_CONTROL_NET_H_
