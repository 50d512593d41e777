// One noise level on the way from noise to picture.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_LEVEL_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_LEVEL_H_

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace mind::diffusion {

// x = alpha·x0 + sigma·noise. Two ways to write the same picture are in use: variance preserving (alpha² +
// sigma² = 1) and, divided by its alpha, variance exploding (alpha = 1).
struct NoiseLevel {
  double alpha = 1;
  double sigma = 0;
  double timestep = 0;  // what the network is told of it

  static NoiseLevel Preserving(double alpha_cumprod, double timestep) {
    return {std::sqrt(alpha_cumprod), std::sqrt(1 - alpha_cumprod), timestep};
  }
  static NoiseLevel PreservingOfSigma(double exploding_sigma, double timestep) {
    const double alpha = 1 / std::sqrt(exploding_sigma * exploding_sigma + 1);
    return {alpha, exploding_sigma * alpha, timestep};
  }

  double alpha_cumprod() const { return alpha * alpha; }               // of the preserving form
  double lambda() const { return std::log(alpha) - std::log(sigma); }  // half the log signal-to-noise ratio
};

inline at::Tensor NoisedTo(const NoiseLevel& level, const at::Tensor& x0, const at::Tensor& noise) {
  return level.alpha * x0 + level.sigma * noise;
}

// What a sampler with a fixed number of steps walks along: noisiest first, one more than steps.
struct NoiseLevels {
  std::vector<NoiseLevel> levels;
  double initial_scale = 1;  // what unit normal noise is multiplied by to be the first x

  int64_t steps() const { return static_cast<int64_t>(levels.size()) - 1; }
  const NoiseLevel& operator[](size_t i) const { return levels[i]; }
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_LEVEL_H_
