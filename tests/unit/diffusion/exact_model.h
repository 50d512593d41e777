// Data whose denoiser is known exactly, and a run of a sampler on it: in float64, without a network.
#ifndef MIND_TESTS_UNIT_DIFFUSION_EXACT_MODEL_H_
#define MIND_TESTS_UNIT_DIFFUSION_EXACT_MODEL_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "worker/diffusion/samplers/noise_levels.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion::exact {

constexpr double kMean = 0.7, kDeviation = 0.5;  // of the Gaussian data
constexpr double kBetaMin = 0.1, kBetaMax = 20;  // of the variance-preserving SDE

// A network: what it answers to x at what it is told.
using Network = Evaluate;

// The SDE's log alpha at a time, and the time of a lambda: log(alpha / sigma).
inline double LogAlphaOfTime(double t) {
  return -0.25 * t * t * (kBetaMax - kBetaMin) - 0.5 * t * kBetaMin;
}
inline double LambdaOfTime(double t) {
  const double log_alpha = LogAlphaOfTime(t);
  return log_alpha - 0.5 * std::log(-std::expm1(2 * log_alpha));
}

// A variance-preserving level; the network is told lambda itself.
inline NoiseLevel LevelOfLambda(double lambda) {
  const double alpha = 1 / std::sqrt(1 + std::exp(-2 * lambda));
  return {alpha, alpha * std::exp(-lambda), lambda};
}

// n steps even in lambda, from time 1 to `end`.
inline NoiseLevels EvenLevels(int64_t n, double end = 1e-3) {
  NoiseLevels levels;
  const double first = LambdaOfTime(1), last = LambdaOfTime(end);
  for (int64_t i = 0; i <= n; ++i) {
    levels.levels.push_back(
        LevelOfLambda(first + (last - first) * static_cast<double>(i) / static_cast<double>(n)));
  }
  return levels;
}

// E[noise | x] for data N(kMean, kDeviation²), told lambda.
inline at::Tensor GaussianNoise(const at::Tensor& x, double lambda) {
  const NoiseLevel l = LevelOfLambda(lambda);
  return l.sigma * (x - l.alpha * kMean) / (l.alpha * l.alpha * kDeviation * kDeviation + l.sigma * l.sigma);
}

// A network with discrete training steps that answers so, fractions read between its steps.
inline Network DiscreteNetwork(const SamplerConfig& config, at::Tensor (*answer)(const at::Tensor&, double)) {
  return [table = TrainingSigmas(config), answer](const at::Tensor& x, double timestep) {
    const double last = static_cast<double>(table.size() - 1);
    const double position = std::clamp(timestep, 0.0, last);
    const size_t low = std::min(static_cast<size_t>(position), table.size() - 2);
    const double weight = position - static_cast<double>(low);
    return answer(x, -(std::log(table[low]) * (1 - weight) + std::log(table[low + 1]) * weight));
  };
}

// The score of the same data in variance-exploding form, told sigma.
inline at::Tensor GaussianScore(const at::Tensor& x, double sigma) {
  return (kMean - x) / (kDeviation * kDeviation + sigma * sigma);
}

// Where the probability-flow ODE takes x from one level to another: the quantile stays.
inline at::Tensor GaussianFlow(const at::Tensor& x, const NoiseLevel& from, const NoiseLevel& to) {
  const auto spread = [](const NoiseLevel& l) {
    return std::sqrt(l.alpha * l.alpha * kDeviation * kDeviation + l.sigma * l.sigma);
  };
  return to.alpha * kMean + (x - from.alpha * kMean) * (spread(to) / spread(from));
}

// E[noise | x] for equal parts of N(-1, 0.4²) and N(1.5, 0.3²), told lambda.
inline at::Tensor MixtureNoise(const at::Tensor& x, double lambda) {
  const NoiseLevel l = LevelOfLambda(lambda);
  const auto part = [&](double mean, double deviation) {
    const double variance = l.alpha * l.alpha * deviation * deviation + l.sigma * l.sigma;
    const at::Tensor away = x - l.alpha * mean;
    return std::pair(away.square() / (-2 * variance) - std::log(variance) / 2, l.sigma * away / variance);
  };
  const auto [log_weight_a, noise_a] = part(-1, 0.4);
  const auto [log_weight_b, noise_b] = part(1.5, 0.3);
  const at::Tensor share = at::sigmoid(log_weight_a - log_weight_b);
  return share * noise_a + (1 - share) * noise_b;
}

// Runs a sampler from state.step to its end, or for `limit` steps. Returns the evaluations made.
inline int64_t Run(const Sampler& sampler, SampleState& state, const Network& network,
                   int64_t limit = INT64_MAX) {
  int64_t evaluations = 0;
  while (state.step < std::min(sampler.steps(), limit)) evaluations += TakeStep(sampler, state, network);
  return evaluations;
}

inline at::Tensor Run(const Sampler& sampler, const at::Tensor& x, const Network& network) {
  SampleState state;
  state.x = x;
  Run(sampler, state, network);
  return state.x;
}

}  // namespace mind::diffusion::exact

#endif  // MIND_TESTS_UNIT_DIFFUSION_EXACT_MODEL_H_
