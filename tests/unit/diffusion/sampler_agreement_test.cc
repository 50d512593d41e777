// Samplers of one equation agree: with a fine Runge-Kutta solution where the score is not linear, and with
// one another where theory says they are the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/diffusion/exact_model.h"
#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/ddim.h"
#include "worker/diffusion/samplers/dpm_solver_multistep.h"
#include "worker/diffusion/samplers/dpm_solver_singlestep.h"
#include "worker/diffusion/samplers/euler.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/unipc.h"

namespace mind::diffusion {
namespace {

const at::Tensor& StartingPoint() {
  static const at::Tensor* const x =
      new at::Tensor(at::linspace(-2.5, 2.5, 11, at::kDouble).view({1, 1, 11}));
  return *x;
}

// Where the mixture's flow takes StartingPoint() from one level to another:
// dy/dsigma = noise for y = x / alpha, solved in log sigma by the classical method in `steps` steps.
at::Tensor FineSolution(const NoiseLevel& from, const NoiseLevel& to) {
  constexpr int64_t steps = 10'000;
  const double u_from = -from.lambda(), h = (-to.lambda() - u_from) / static_cast<double>(steps);
  const auto slope = [](const at::Tensor& y, double u) {
    const NoiseLevel level = exact::LevelOfLambda(-u);
    return exact::MixtureNoise(y * level.alpha, -u) * std::exp(u);
  };
  at::Tensor y = StartingPoint() / from.alpha;
  for (int64_t i = 0; i < steps; ++i) {
    const double u = u_from + static_cast<double>(i) * h;
    const at::Tensor k1 = slope(y, u);
    const at::Tensor k2 = slope(y + h / 2 * k1, u + h / 2);
    const at::Tensor k3 = slope(y + h / 2 * k2, u + h / 2);
    const at::Tensor k4 = slope(y + h * k3, u + h);
    y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
  }
  return y * to.alpha;
}

// From a network's noisiest training step to its cleanest, solved once.
struct Reference {
  SamplerConfig config;
  std::vector<double> sigmas = TrainingSigmas(config);
  NoiseLevel from = NoiseLevel::PreservingOfSigma(sigmas.back(), 0);
  NoiseLevel to = NoiseLevel::PreservingOfSigma(sigmas.front(), 0);
  at::Tensor end = FineSolution(from, to);
  exact::Network network = exact::DiscreteNetwork(config, exact::MixtureNoise);
};

const Reference& TheReference() {
  static const Reference* const reference = new Reference;
  return *reference;
}

struct Deterministic {
  const char* label;
  const char* sampler;
  SamplerParameters parameters;
  double tolerance;  // at 400 steps
};

void PrintTo(const Deterministic& one, std::ostream* out) {
  *out << one.label;
}

const Deterministic kDeterministic[] = {
    {"euler", "euler", {}, 0.05},
    {"heun", "heun", {}, 1e-3},
    {"lms", "lms", {}, 1e-3},
    {"dpm2", "dpm2", {}, 1e-3},
    {"ipndm", "ipndm", {}, 0.01},
    {"dpmpp_2m", "dpmpp_2m", {}, 2e-3},
    {"dpmpp_2m_heun", "dpmpp_2m", {{"solver", "heun"}}, 2e-3},
    {"dpmpp_3m", "dpmpp_3m", {}, 2e-3},
    {"dpm_solver_2m", "dpmpp_2m", {{"algorithm", "dpmsolver"}, {"final_sigma", "sigma_min"}}, 2e-3},
    {"dpmpp_2s", "dpmpp_2s", {}, 2e-3},
    {"dpmpp_3s", "dpmpp_2s", {{"order", 3.0}}, 2e-3},
    {"dpm_solver_3", "dpm_solver_3", {}, 2e-3},
    {"unipc_bh1", "unipc", {{"order", 3.0}, {"solver", "bh1"}}, 1e-3},
    {"unipc_bh2", "unipc", {{"order", 2.0}}, 1e-3},
    {"unipc_noise", "unipc", {{"predict_x0", false}, {"final_sigma", "sigma_min"}}, 1e-3},
    {"deis_2", "deis", {{"order", 2.0}}, 1e-3},
    {"deis_3", "deis", {{"order", 3.0}}, 1e-3},
};

class SamplerAgreement : public testing::TestWithParam<Deterministic> {};

TEST_P(SamplerAgreement, WithAFineSolutionOnAMixture) {
  const Reference& reference = TheReference();
  const std::vector<double>& table = reference.sigmas;
  constexpr int64_t kSteps = 400;
  SamplerParameters parameters = GetParam().parameters;
  parameters["sigmas"] =
      SpacedSigmas(SigmaSpacing::kExponential, table.front(), table.back(), kSteps + 1, /*rho=*/7);
  const auto sampler = MakeSampler(GetParam().sampler, reference.config, kSteps, parameters);
  const bool exploding = sampler->initial_scale() != 1;
  const at::Tensor got = exact::Run(
      *sampler, exploding ? StartingPoint() / reference.from.alpha : StartingPoint(), reference.network);
  const at::Tensor preserving = exploding ? got * reference.to.alpha : got;
  EXPECT_LT((preserving - reference.end).abs().max().item<double>(), GetParam().tolerance);
}

INSTANTIATE_TEST_SUITE_P(All, SamplerAgreement, testing::ValuesIn(kDeterministic),
                         [](const auto& info) { return std::string(info.param.label); });

TEST(SamplerAgreement, AdaptiveSolversFindTheMixtureToo) {
  const Reference& reference = TheReference();
  for (const char* name : {"ode_rk45", "dpm_adaptive"}) {
    const auto sampler =
        MakeSampler(name, reference.config, 10,
                    {{"relative_tolerance", 1e-5}, {"absolute_tolerance", 1e-5}, {"denoise_at_end", false}});
    const at::Tensor got = exact::Run(*sampler, StartingPoint(), reference.network);
    EXPECT_LT((got - reference.end).abs().max().item<double>(), 1e-3) << name;
  }
}

SamplerConfig Solver(int64_t order, const char* algorithm = "dpmsolver++") {
  SamplerConfig config;
  config.solver_order = order;
  config.algorithm = algorithm;
  return config;
}

at::Tensor Ddim(const NoiseLevels& levels, int64_t limit) {
  std::vector<DdimSampler::Move> moves;
  for (size_t i = 0; i + 1 < levels.levels.size(); ++i) moves.push_back({levels[i], levels[i + 1]});
  const DdimSampler sampler(SamplerConfig(), moves);
  SampleState state;
  state.x = StartingPoint();
  exact::Run(sampler, state, exact::MixtureNoise, limit);
  return state.x;
}

void ExpectClose(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-12);
}

TEST(SamplerAgreementOfTwins, DdimIsEveryFirstOrderSolver) {
  const NoiseLevels levels = exact::EvenLevels(12);
  const at::Tensor ddim = Ddim(levels, 12);
  ExpectClose(exact::Run(DpmSolverMultistepSampler(Solver(1), levels), StartingPoint(), exact::MixtureNoise),
              ddim);
  ExpectClose(exact::Run(DpmSolverMultistepSampler(Solver(1, "dpmsolver"), levels), StartingPoint(),
                         exact::MixtureNoise),
              ddim);
  ExpectClose(exact::Run(DpmSolverSinglestepSampler(Solver(1), levels), StartingPoint(), exact::MixtureNoise),
              ddim);
  SamplerConfig uncorrected = Solver(1);
  uncorrected.corrector = false;
  ExpectClose(exact::Run(UniPcSampler(uncorrected, levels), StartingPoint(), exact::MixtureNoise), ddim);

  NoiseLevels exploding = levels;
  for (NoiseLevel& level : exploding.levels) level = {1, level.sigma / level.alpha, level.timestep};
  const double first = levels.levels.front().alpha, last = levels.levels.back().alpha;
  ExpectClose(
      exact::Run(EulerSampler(SamplerConfig(), exploding), StartingPoint() / first, exact::MixtureNoise) *
          last,
      ddim);
}

TEST(SamplerAgreementOfTwins, TheFirstStepOfEveryMultistepSolverIsDdim) {
  const NoiseLevels levels = exact::EvenLevels(12);
  const at::Tensor ddim = Ddim(levels, 1);
  for (const int64_t order : {2, 3}) {
    const DpmSolverMultistepSampler multistep(Solver(order), levels);
    const UniPcSampler unipc(Solver(order), levels);
    for (const Sampler* sampler :
         {static_cast<const Sampler*>(&multistep), static_cast<const Sampler*>(&unipc)}) {
      SampleState state;
      state.x = StartingPoint();
      exact::Run(*sampler, state, exact::MixtureNoise, 1);
      ExpectClose(state.x, ddim);
    }
  }
}

TEST(SamplerAgreementOfTwins, WhatTheNetworkPredictsDoesNotMatter) {
  for (const char* name :
       {"ddim", "euler", "heun", "lms", "dpm2", "ipndm", "dpmpp_2m", "dpmpp_2s", "unipc", "deis", "ddpm",
        "euler_a", "dpmpp_sde", "ode_rk45", "dpm_adaptive", "adaptive_sde", "reverse_sde", "lcm", "tcd"}) {
    std::vector<at::Tensor> ends;
    for (const Prediction prediction : {Prediction::kEpsilon, Prediction::kSample, Prediction::kVelocity}) {
      SamplerConfig config;
      config.prediction = prediction;
      const exact::Network noise = exact::DiscreteNetwork(config, exact::MixtureNoise);
      const ContinuousPath path(config);
      const std::vector<double> table = TrainingSigmas(config);
      const auto sampler = MakeSampler(name, config, 10);
      const bool in_time = std::string(name) == "ode_rk45" || std::string(name) == "adaptive_sde" ||
                           std::string(name) == "reverse_sde";
      const exact::Network network = [&](const at::Tensor& x, double timestep) {
        const at::Tensor predicted = noise(x, timestep);
        if (prediction == Prediction::kEpsilon) return predicted;
        // The level the sampler is at; in continuous time it is read off a smooth curve.
        const size_t low = std::min(static_cast<size_t>(std::max(timestep, 0.0)), table.size() - 2);
        const double weight = std::max(timestep, 0.0) - static_cast<double>(low);
        const double sigma =
            std::exp(std::log(table[low]) * (1 - weight) + std::log(table[low + 1]) * weight);
        const NoiseLevel level = in_time ? path.At((timestep + 1) / static_cast<double>(config.train_steps))
                                         : NoiseLevel::PreservingOfSigma(sigma, timestep);
        const at::Tensor x0 = (x - level.sigma * predicted) / level.alpha;
        return prediction == Prediction::kSample ? x0 : level.alpha * predicted - level.sigma * x0;
      };
      SampleState state;
      state.noise = std::make_unique<SeededNoise>(5);
      state.x = StartingPoint() * sampler->initial_scale();
      exact::Run(*sampler, state, network);
      ends.push_back(state.x);
    }
    EXPECT_LT((ends[0] - ends[1]).abs().max().item<double>(), 1e-6) << name << ": x0";
    EXPECT_LT((ends[0] - ends[2]).abs().max().item<double>(), 1e-6) << name << ": velocity";
  }
}

}  // namespace
}  // namespace mind::diffusion
