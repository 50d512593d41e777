// Stochastic samplers against exact means and variances. On Gaussian data the exact denoiser is affine in x,
// so a sampler is affine in its starting noise and in every draw: one run with an impulse at each draw, each
// in an element of its own, tells the exact moments of what it makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/diffusion/exact_model.h"
#include "worker/diffusion/samplers/analytic_dpm.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};

// Draw k is 1 in element k + 2 and 0 elsewhere.
class Impulses : public NoiseSource {
 public:
  at::Tensor Draw(at::IntArrayRef shape) override {
    at::Tensor draw = at::zeros(shape, at::kDouble);
    const int64_t element = 2 + draws_++;
    if (element < draw.numel()) draw.view(-1)[element] = 1;
    return draw;
  }
  int64_t draws() const { return draws_; }

 private:
  int64_t draws_ = 0;
};

// Of x after `limit` steps from N(start.mean, start.variance).
Moments ExactMoments(const Sampler& sampler, const exact::Network& network, Moments start,
                     int64_t limit = INT64_MAX) {
  int64_t draws = 0;
  at::Tensor x;
  for (int64_t size : {int64_t{2}, int64_t{0}}) {  // the first run counts the draws
    SampleState state;
    auto impulses = std::make_unique<Impulses>();
    const Impulses& counter = *impulses;
    state.noise = std::move(impulses);
    state.x = at::full({1, 1, size > 0 ? size : draws + 2}, start.mean, at::kDouble);
    state.x.view(-1)[1] += std::sqrt(start.variance);
    exact::Run(sampler, state, network, limit);
    draws = counter.draws();
    x = state.x.view(-1);
  }
  return {x[0].item<double>(), (x - x[0]).square().sum().item<double>()};
}

Moments StartOf(const Sampler& sampler) {
  return {0, sampler.initial_scale() * sampler.initial_scale()};
}

struct Stochastic {
  const char* label;
  const char* sampler;
  SamplerParameters parameters;
};

void PrintTo(const Stochastic& one, std::ostream* out) {
  *out << one.label;
}

const Stochastic kForTheExactDenoiser[] = {
    {"ddpm", "ddpm", {}},
    {"ddpm_large", "ddpm", {{"variance", "fixed_large"}}},
    {"ddim_eta", "ddim", {{"eta", 0.6}}},
    {"euler_churn", "euler", {{"churn", 20.0}}},
    {"euler_a", "euler_a", {}},
    {"dpm2_a", "dpm2_a", {}},
    {"dpmpp_sde", "dpmpp_sde", {}},
    {"dpmpp_2m_sde", "dpmpp_2m_sde", {}},
    {"dpmpp_2m_sde_heun", "dpmpp_2m_sde", {{"solver", "heun"}}},
    {"sde_dpm_solver", "dpmpp_2m", {{"algorithm", "sde-dpmsolver"}, {"final_sigma", "sigma_min"}}},
    {"reverse_sde", "reverse_sde", {}},
    {"reverse_sde_ancestral", "reverse_sde", {{"predictor", "ancestral"}}},
    {"euler_maruyama", "euler_maruyama", {}},
    {"pc_annealed", "pc", {{"annealed_corrector", true}}},
    {"annealed_langevin", "annealed_langevin", {{"langevin_steps", 20.0}}},
};
const Stochastic kForStudents[] = {{"lcm", "lcm", {}}, {"tcd", "tcd", {}}};

class SamplerMoments : public testing::TestWithParam<Stochastic> {
 protected:
  std::unique_ptr<const Sampler> Make(int64_t steps) const {
    return MakeSampler(GetParam().sampler, config_, steps, GetParam().parameters);
  }

  const SamplerConfig config_;  // DDPM's schedule
  const exact::Network network_ = exact::DiscreteNetwork(config_, exact::GaussianNoise);
};

TEST_P(SamplerMoments, AMillionDrawsHaveThem) {
  constexpr int64_t kDraws = 1'000'000, kSteps = 30;
  constexpr double kSigmas = 4;
  const auto sampler = Make(kSteps);
  const Moments expected = ExactMoments(*sampler, network_, StartOf(*sampler));
  SampleState state;
  state.noise = std::make_unique<SeededNoise>(11);
  state.x = state.noise->Draw({1, 1000, kDraws / 1000}) * sampler->initial_scale();
  exact::Run(*sampler, state, network_);
  const at::Tensor x = state.x.to(at::kDouble);
  const double n = kDraws;
  EXPECT_NEAR(x.mean().item<double>(), expected.mean, kSigmas * std::sqrt(expected.variance / n));
  EXPECT_NEAR(x.var().item<double>(), expected.variance, kSigmas * expected.variance * std::sqrt(2 / n));
}

class SamplerMomentsInTheLimit : public SamplerMoments {};

TEST_P(SamplerMomentsInTheLimit, AreTheDatas) {
  constexpr double kVariance = exact::kDeviation * exact::kDeviation;
  const auto sampler = Make(500);
  const Moments got = ExactMoments(*sampler, network_, StartOf(*sampler));
  EXPECT_NEAR(got.mean, exact::kMean, 0.01);
  EXPECT_NEAR(got.variance, kVariance, 0.015);
}

std::string LabelOf(const testing::TestParamInfo<Stochastic>& info) {
  return info.param.label;
}

INSTANTIATE_TEST_SUITE_P(All, SamplerMoments, testing::ValuesIn(kForTheExactDenoiser), LabelOf);
INSTANTIATE_TEST_SUITE_P(Students, SamplerMoments, testing::ValuesIn(kForStudents), LabelOf);
INSTANTIATE_TEST_SUITE_P(All, SamplerMomentsInTheLimit, testing::ValuesIn(kForTheExactDenoiser), LabelOf);

TEST(SamplerMomentsRecursion, TheChainIsThePapers) {
  // Ho et al. 2020, eq. 6 and 7, and Song et al. 2021, eq. 12, as scalar recursions of mean and variance.
  const SamplerConfig config;
  const std::vector<double> alphas = AlphasCumprod(config);
  for (const double eta : {0.0, 0.4, 1.0}) {
    const int64_t steps = 50;
    Moments m = {0, 1};
    for (int64_t t = 980; t >= 0; t -= 20) {
      const double a = alphas[static_cast<size_t>(t)];
      const double a_next = t >= 20 ? alphas[static_cast<size_t>(t - 20)] : 1;
      const double s2 = exact::kDeviation * exact::kDeviation;
      // E[x0 | x] = gain·x + offset.
      const double gain = std::sqrt(a) * s2 / (a * s2 + 1 - a);
      const double offset = exact::kMean * (1 - a) / (a * s2 + 1 - a);
      const double noise = eta * eta * (1 - a_next) / (1 - a) * (1 - a / a_next);
      const double to_x = std::sqrt((1 - a_next - noise) / (1 - a));
      const double to_x0 = std::sqrt(a_next) - to_x * std::sqrt(a);
      m = {(to_x + to_x0 * gain) * m.mean + to_x0 * offset,
           (to_x + to_x0 * gain) * (to_x + to_x0 * gain) * m.variance + noise};
    }
    const auto sampler = MakeSampler("ddim", config, steps, {{"eta", eta}});
    const Moments got = ExactMoments(*sampler, exact::DiscreteNetwork(config, exact::GaussianNoise), {0, 1});
    EXPECT_NEAR(got.mean, m.mean, 1e-12) << eta;
    EXPECT_NEAR(got.variance, m.variance, 1e-12) << eta;
  }
}

TEST(SamplerMomentsRecursion, TheOptimalVarianceIsExactInAnyNumberOfSteps) {
  // On Gaussian data the reverse steps are Gaussian, so Analytic-DPM makes no error at all, however few they
  // are.
  for (const double eta : {0.0, 1.0}) {
    const NoiseLevels levels = exact::EvenLevels(5, 0.01);
    std::vector<double> errors;
    const auto variance_at = [](const NoiseLevel& l) {
      return l.alpha * l.alpha * exact::kDeviation * exact::kDeviation + l.sigma * l.sigma;
    };
    for (size_t i = 0; i + 1 < levels.levels.size(); ++i) {
      const double s2 = exact::kDeviation * exact::kDeviation;
      errors.push_back(s2 * levels[i].sigma * levels[i].sigma / variance_at(levels[i]));  // Var(x0 | x)
    }
    SamplerConfig config;
    config.eta = eta;
    const AnalyticDpmSampler sampler(config, levels, errors);
    const NoiseLevel &first = levels.levels.front(), &last = levels.levels.back();
    const Moments got =
        ExactMoments(sampler, exact::GaussianNoise, {first.alpha * exact::kMean, variance_at(first)});
    EXPECT_NEAR(got.mean, last.alpha * exact::kMean, 1e-12);
    EXPECT_NEAR(got.variance, variance_at(last), 1e-12);
  }
}

}  // namespace
}  // namespace mind::diffusion
