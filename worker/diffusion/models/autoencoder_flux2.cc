#include "worker/diffusion/models/autoencoder_flux2.h"

namespace mind::diffusion {

AutoencoderFlux2Config AutoencoderFlux2Config::From(const Config& config) {
  AutoencoderFlux2Config c;
  c.network = AutoencoderConfig::From(config, "AutoencoderKLFlux2");
  if (!config.Unset("patch_size") &&
      config.RequiredInts("patch_size") != std::vector<int64_t>{kPatch, kPatch})
    config.Unsupported("patch_size", "[2, 2]");
  c.epsilon = config.Double("batch_norm_eps", c.epsilon);
  if (!(c.epsilon >= 0 && c.epsilon < 1)) config.Unsupported("batch_norm_eps", "0 to less than 1");
  return c;
}

AutoencoderFlux2::AutoencoderFlux2(const Scope& scope, const AutoencoderFlux2Config& config)
    : config_(config), network_(scope, config.network) {
  const Scope norm = scope / "bn";
  const auto taken = [&](const char* name) {
    return norm.TakeInFloat32(name, {config.patch_channels()}).view({-1, 1, 1});
  };
  mean_ = taken("running_mean");
  deviation_ = at::sqrt(taken("running_var") + config.epsilon);
}

at::Tensor AutoencoderFlux2::Packed(const at::Tensor& latents) const {
  return (at::pixel_unshuffle(latents, AutoencoderFlux2Config::kPatch) - mean_) / deviation_;
}

at::Tensor AutoencoderFlux2::Unpacked(const at::Tensor& x) const {
  return at::pixel_shuffle(x * deviation_ + mean_, AutoencoderFlux2Config::kPatch);
}

}  // namespace mind::diffusion
