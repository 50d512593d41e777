#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr double kMean = 0.7, kDeviation = 0.5;

SamplerConfig GaussianConfig() {
  SamplerConfig config;
  config.class_name = "DDIMScheduler";
  config.beta_schedule = "scaled_linear";
  config.beta_start = 0.00085;
  config.beta_end = 0.012;
  config.skip_prk = true;
  return config;
}

// The exact noise prediction for data N(mean, deviation²) at a training step, fractions read off between its
// neighbours.
at::Tensor ExactNoise(const std::vector<double>& alphas, const at::Tensor& x, double t) {
  const double a = Interpolate(alphas, t);
  return std::sqrt(1 - a) * (x - std::sqrt(a) * kMean) / (a * kDeviation * kDeviation + 1 - a);
}

at::Tensor Sample(const std::string& name, int64_t steps, int64_t draws) {
  const SamplerConfig config = GaussianConfig();
  const auto sampler = MakeSampler(name, config, steps);
  const std::vector<double> alphas = AlphasCumprod(config);
  SampleState state;
  state.noise = std::make_unique<SeededNoise>(1);
  state.x = state.noise->Draw({1, 1, draws}) * sampler->initial_scale();
  Evaluator evaluator;
  for (; state.step < sampler->steps(); ++state.step) {
    Task step = sampler->Step(state, evaluator);
    for (step.Resume(); !step.done(); step.Resume()) {
      evaluator.Answer(ExactNoise(alphas, evaluator.input(), evaluator.timestep()));
    }
  }
  return state.x;
}

class SamplerGaussian : public testing::TestWithParam<std::string> {};

TEST_P(SamplerGaussian, ReachesTheDataDistribution) {
  const at::Tensor x = Sample(GetParam(), 200, 20000);
  EXPECT_NEAR(x.mean().item<double>(), kMean, 0.03);
  EXPECT_NEAR(x.std().item<double>(), kDeviation, 0.03);
}

INSTANTIATE_TEST_SUITE_P(All, SamplerGaussian,
                         testing::Values("ddpm", "ddim", "pndm", "euler", "euler_karras", "euler_a", "heun",
                                         "heun_karras", "dpmpp_2m", "dpmpp_2m_karras"),
                         [](const auto& info) { return info.param; });

TEST(Sampler, CountsItsEvaluations) {
  const SamplerConfig config = GaussianConfig();
  EXPECT_EQ(MakeSampler("ddim", config, 10)->evaluations(), 10);
  EXPECT_EQ(MakeSampler("heun", config, 10)->evaluations(), 19);
  EXPECT_EQ(MakeSampler("pndm", config, 10)->evaluations(), 11);
}

TEST(Sampler, RefusesImpossibleStepCounts) {
  for (const SamplerInfo& sampler : SamplersFor(GaussianConfig())) {
    EXPECT_THROW(MakeSampler(sampler.name, GaussianConfig(), 0), RequestError) << sampler.name;
    EXPECT_THROW(MakeSampler(sampler.name, GaussianConfig(), 1001), RequestError) << sampler.name;
    EXPECT_NO_THROW(MakeSampler(sampler.name, GaussianConfig(), 1)) << sampler.name;
  }
}

TEST(Sampler, EveryNumberOfStepsIsFiniteOrRefused) {
  for (const SamplerInfo& sampler : SamplersFor(GaussianConfig())) {
    for (const int64_t steps : {1, 2, 3, 7, 333, 999, 1000}) {
      try {
        EXPECT_TRUE(Sample(sampler.name, steps, 4).isfinite().all().item<bool>())
            << sampler.name << " " << steps;
      } catch (const RequestError& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("steps")) << sampler.name << " " << steps;
      }
    }
  }
}

TEST(Sampler, AbandoningAStepLeavesNothingBehind) {
  const auto sampler = MakeSampler("heun", GaussianConfig(), 10);
  SampleState state;
  state.x = at::ones({1, 2, 2});
  Evaluator evaluator;
  {
    Task step = sampler->Step(state, evaluator);
    step.Resume();
    EXPECT_FALSE(step.done());
  }  // destroyed while parked
  EXPECT_EQ(state.step, 0);
}

TEST(Sampler, EveryScheduleFallsFromOneToAlmostNothing) {
  for (const char* name : {"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"}) {
    SamplerConfig config;
    config.beta_schedule = name;
    const std::vector<double> alphas = AlphasCumprod(config);
    ASSERT_EQ(alphas.size(), 1000U);
    EXPECT_GT(alphas.front(), 0.999) << name;
    EXPECT_LT(alphas.back(), 0.01) << name;
    EXPECT_TRUE(std::is_sorted(alphas.rbegin(), alphas.rend())) << name;
  }
  SamplerConfig config;
  EXPECT_NEAR(AlphasCumprod(config).back(), 4.0358e-5, 1e-8);  // the DDPM paper's schedule
  config.beta_schedule = "wobbly";
  EXPECT_THROW(AlphasCumprod(config), ModelError);
}

TEST(Sampler, SpacesTimestepsAsDiffusersDoes) {
  EXPECT_EQ(IntegerTimesteps(Spacing::kLeading, 1000, 4, 1), (std::vector<int64_t>{751, 501, 251, 1}));
  EXPECT_EQ(IntegerTimesteps(Spacing::kTrailing, 1000, 4, 0), (std::vector<int64_t>{999, 749, 499, 249}));
  EXPECT_EQ(IntegerTimesteps(Spacing::kLinspace, 1000, 4, 0), (std::vector<int64_t>{999, 666, 333, 0}));
}

}  // namespace
}  // namespace mind::diffusion
