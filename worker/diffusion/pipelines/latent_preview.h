// A linear map from latents to colours, so that a preview costs next to nothing.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_LATENT_PREVIEW_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_LATENT_PREVIEW_H_

#include <ATen/ATen.h>

#include <functional>

#include "worker/diffusion/models/autoencoder_kl.h"

namespace mind::diffusion {

// rgb = weight · latent + bias for every latent pixel. Immutable; any thread may call.
class LatentPreview {
 public:
  // Fits the map to whatever autoencoder is there: decodes a few smooth random latents, averages the pictures
  // down to latent size, and solves the least-squares problem. A few decodes of 64×64 to 128×128 pixels.
  static LatentPreview Fit(const AutoencoderKl& autoencoder, at::Device device);
  // The same of anything that decodes: scaled latents float [B, channels, h, w] on the CPU → pictures [B, 3,
  // H, W] in [-1, 1].
  using Decode = std::function<at::Tensor(const at::Tensor& latents)>;
  static LatentPreview Fit(const Decode& decode, int64_t channels, at::Device device);

  // scaled latent float [C, h, w] → float [3, h, w] in [0, 1]
  at::Tensor operator()(const at::Tensor& latent) const;

  // The share of the colours' variance that the map explains, 0 … 1, on the latents it was fitted to.
  double fit_quality() const { return fit_quality_; }

 private:
  LatentPreview(at::Tensor weight, at::Tensor bias, double fit_quality)
      : weight_(std::move(weight)), bias_(std::move(bias)), fit_quality_(fit_quality) {}

  at::Tensor weight_;  // [3, C]
  at::Tensor bias_;    // [3]
  double fit_quality_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_LATENT_PREVIEW_H_
