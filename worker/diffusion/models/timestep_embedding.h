// How a denoiser is told the noise level: sinusoids of the timestep, then a small MLP.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TIMESTEP_EMBEDDING_H_
#define MIND_WORKER_DIFFUSION_MODELS_TIMESTEP_EMBEDDING_H_

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

struct SinusoidOptions {
  bool flip_sin_to_cos = false;  // true: [cos, sin]; false: [sin, cos]
  double freq_shift = 1;         // the frequencies are max_period^(-i / (width/2 - freq_shift))
  double scale = 1;
  double max_period = 10000;
};

// Timesteps float [B] (in training steps, fractions allowed) → [B, width]; an odd width ends in a zero.
// Source: diffusers models/embeddings.py get_timestep_embedding; Ho et al. 2020, "Denoising Diffusion …",
// app. B.
at::Tensor SinusoidalEmbedding(const at::Tensor& timesteps, int64_t width, const SinusoidOptions& options);

// The guidance scale as latent consistency models are told it: float [width], the sines, then the cosines.
// Source: Luo et al. 2023, sec. 4.2; diffusers get_guidance_scale_embedding.
at::Tensor GuidanceEmbedding(double guidance, int64_t width);

// x [B], frequencies [width / 2] → [B, width]: the sines, then the cosines of 2π·frequency·x.
// Source: diffusers models/embeddings.py GaussianFourierProjection.
at::Tensor FourierFeatures(const at::Tensor& x, const at::Tensor& frequencies);

// linear_1, the activation, linear_2. Source: diffusers models/embeddings.py TimestepEmbedding.
class TimestepMlp {
 public:
  TimestepMlp(const Scope& scope, int64_t in, int64_t width, Activation activation = Activation::kSilu,
              bool bias = true)
      : linear_1_(scope / "linear_1", in, width, bias),
        linear_2_(scope / "linear_2", width, width, bias),
        activation_(activation) {}
  at::Tensor operator()(const at::Tensor& x) const { return linear_2_(Activate(activation_, linear_1_(x))); }

 private:
  Linear linear_1_, linear_2_;
  Activation activation_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TIMESTEP_EMBEDDING_H_
