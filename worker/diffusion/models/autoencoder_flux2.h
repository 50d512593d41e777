// FLUX.2's autoencoder: one of the usual kind, whose latents its denoiser sees as patches, normed by what
// they had of mean and variance when it was trained. Sources: black-forest-labs/flux2
// src/flux2/autoencoder.py; diffusers models/autoencoders/autoencoder_kl_flux2.py; Ioffe & Szegedy 2015,
// "Batch Normalization", alg. 2.
#ifndef MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_FLUX2_H_
#define MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_FLUX2_H_

#include "worker/diffusion/models/autoencoder_kl.h"

namespace mind::diffusion {

struct AutoencoderFlux2Config {
  AutoencoderConfig network;
  double epsilon = 1e-4;  // added to the variances

  // Latents of a patch, each way.
  static constexpr int64_t kPatch = 2;

  int64_t patch_channels() const { return kPatch * kPatch * network.latent_channels; }
  // Pixels that a patch stands for, each way.
  int64_t patch_reduction() const { return kPatch * network.reduction(); }

  // vae/config.json of AutoencoderKLFlux2. Throws ModelError.
  static AutoencoderFlux2Config From(const Config& config);
};

// Immutable after construction; any thread may call.
class AutoencoderFlux2 {
 public:
  AutoencoderFlux2(const Scope& scope, const AutoencoderFlux2Config& config);

  // Latents as they are made, [B, C, h, w], as normed patches, float [B, 4·C, h/2, w/2]: channel by channel,
  // each its patch line by line. REQUIRES: h and w are even.
  at::Tensor Packed(const at::Tensor& latents) const;
  // And back.
  at::Tensor Unpacked(const at::Tensor& x) const;

  // Between pictures and latents as they are made.
  const AutoencoderKl& network() const { return network_; }
  const AutoencoderFlux2Config& config() const { return config_; }

 private:
  AutoencoderFlux2Config config_;
  AutoencoderKl network_;
  at::Tensor mean_, deviation_;  // float [4·C, 1, 1]
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_FLUX2_H_
