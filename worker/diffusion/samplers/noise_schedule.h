// How much noise each training step holds, and how a sampler's steps are spread over them.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_SCHEDULE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_SCHEDULE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// The cumulative product of (1 - beta), one value a training step, falling from almost 1. Computed in
// float32, as most models were trained with (config.double_precision: in float64), held in double. Schedules:
// linear (Ho et al. 2020), scaled_linear (Rombach et al. 2022), squaredcos_cap_v2 (Nichol & Dhariwal 2021,
// eq. 17), sigmoid (GeoDiff), exp (K. Crowson). Zero terminal SNR: Lin et al. 2023, alg. 1. Throws ModelError
// for an unknown name.
std::vector<double> AlphasCumprod(const SamplerConfig& config);
// The betas themselves.
std::vector<double> Betas(const SamplerConfig& config);

// sqrt((1 - a) / a), the noise level of the variance-exploding form, for each training step.
std::vector<double> SigmaTable(const std::vector<double>& alphas_cumprod);

// `steps` training steps, noisiest first, as DDPM and DDIM space them (integers).
std::vector<int64_t> IntegerTimesteps(Spacing spacing, int64_t train_steps, int64_t steps, int64_t offset);
// As the samplers in sigma form (Euler, Heun) space them: linspace keeps its fractions.
std::vector<double> FractionalTimesteps(Spacing spacing, int64_t train_steps, int64_t steps, int64_t offset);

// Where i strides of span / steps down from `from` end, rounded as numpy.arange does: it decides which whole
// step a half one falls on.
double CountedDown(int64_t from, int64_t span, int64_t steps, int64_t i);

// table read at a fractional index, linear in between (numpy.interp).
double Interpolate(const std::vector<double>& table, double index);
// The fractional training step whose sigma is the given one, linear in log sigma.
double TimestepOfSigma(double sigma, const std::vector<double>& sigma_table);

// n noise levels from max to min. Karras et al. 2022, eq. 5; exponential and lu: evenly in log sigma (Lu et
// al. 2022a, sec. 4.3); beta: quantiles of a Beta(0.6, 0.6) distribution (Lee et al. 2024).
// REQUIRES: spacing is one of these; 0 < min <= max
std::vector<double> SpacedSigmas(SigmaSpacing spacing, double min, double max, int64_t n, double rho);

// GLIDE's respacing: which of `train_steps` to keep, rising. `sections` is counts separated by commas, one
// for each equal part of the steps ("250", "10,10,8"); "ddimN" for N at an integer stride; or "fast27",
// GLIDE's own 27 for its upsampler. Reference: openai/glide-text2im respace.py. Throws ModelError.
std::vector<int64_t> RespacedTimesteps(const std::string& sections, int64_t train_steps);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_SCHEDULE_H_
