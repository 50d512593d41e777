#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kDataMean = 0.7, kDataDeviation = 0.5;

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
  return std::sqrt(1 - a) * (x - std::sqrt(a) * kDataMean) / (a * kDataDeviation * kDataDeviation + 1 - a);
}

at::Tensor Sample(const std::string& name, int64_t steps, int64_t draws) {
  const SamplerConfig config = GaussianConfig();
  const auto sampler = MakeSampler(name, config, steps);
  const std::vector<double> alphas = AlphasCumprod(config);
  SampleState state;
  state.noise = std::make_unique<SeededNoise>(1);
  state.x = state.noise->Draw({1, 1, draws}) * sampler->initial_scale();
  RunToEnd(*sampler, state, [&alphas](const at::Tensor& x, double t) { return ExactNoise(alphas, x, t); });
  return state.x;
}

class SamplerGaussian : public testing::TestWithParam<std::string> {};

TEST_P(SamplerGaussian, ReachesTheDataDistribution) {
  const at::Tensor x = Sample(GetParam(), 200, 20000);
  EXPECT_NEAR(x.mean().item<double>(), kDataMean, 0.03);
  EXPECT_NEAR(x.std().item<double>(), kDataDeviation, 0.03);
}

std::vector<std::string> ThoseForExactDenoisers() {
  std::vector<std::string> names;
  for (const SamplerInfo& sampler : SamplersFor(GaussianConfig())) {
    if (sampler.name != "lcm" && sampler.name != "tcd") names.push_back(sampler.name);  // for students
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, SamplerGaussian, testing::ValuesIn(ThoseForExactDenoisers()),
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

TEST(Sampler, SaysTheMostStepsThatItTakes) {
  SamplerConfig shifted = GaussianConfig();
  shifted.spacing = Spacing::kLeading;
  shifted.steps_offset = 1;
  SamplerConfig many = shifted;
  many.train_steps = 5000;
  bool any_takes_fewer = false;
  for (const SamplerConfig& config : {GaussianConfig(), shifted, many}) {
    for (const SamplerInfo& sampler : SamplersFor(config)) {
      EXPECT_NO_THROW(MakeSampler(sampler.name, config, sampler.max_steps)) << sampler.name;
      EXPECT_THROW(MakeSampler(sampler.name, config, sampler.max_steps + 1), RequestError) << sampler.name;
      any_takes_fewer = any_takes_fewer || sampler.max_steps < config.train_steps;
    }
  }
  EXPECT_TRUE(any_takes_fewer);
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

TEST(Sampler, RefusesWhatCannotGoTogether) {
  const auto error_of = [](const char* name, const SamplerConfig& config, int64_t steps,
                           const SamplerParameters& parameters) -> std::string {
    try {
      const auto sampler = MakeSampler(name, config, steps, parameters);
      SampleState state;
      state.noise = std::make_unique<SeededNoise>(1);
      state.x = at::ones({1, 2, 2});
      TakeStep(*sampler, state, [](const at::Tensor& x, double) { return at::zeros_like(x); });
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  SamplerConfig silent = GaussianConfig();  // no signal at its noisiest step
  silent.prediction = Prediction::kVelocity;
  silent.zero_terminal_snr = true;
  silent.spacing = Spacing::kTrailing;
  silent.class_name = "PNDMScheduler";
  SamplerConfig flow;
  flow.form = NetworkForm::kFlow;
  flow.class_name = "FlowMatchEulerDiscreteScheduler";
  using testing::HasSubstr;
  EXPECT_THAT(error_of("ddpm", GaussianConfig(), 19, {{"start", 0.001}}),
              HasSubstr("leave 1 training steps, too few for 19 steps"));
  EXPECT_THAT(error_of("ddpm", GaussianConfig(), 5, {{"variance", "learned"}}),
              HasSubstr("network predicts none"));
  EXPECT_THAT(error_of("pndm", silent, 5, {}), HasSubstr("no signal"));
  EXPECT_THAT(error_of("euler", flow, 5, {{"churn", 3.0}}), HasSubstr("churn must be 0"));
  EXPECT_THAT(error_of("lms", flow, 5, {}),
              HasSubstr("cannot sample this kind of model; its own is \"euler\""));
  EXPECT_THAT(error_of("ddim", GaussianConfig(), 5, {{"spacing", "optimal"}}), HasSubstr("mind-trajectory"));
  EXPECT_THAT(error_of("ddim", GaussianConfig(), 5, {{"timesteps", std::vector<double>{3, 2, 1}}}),
              HasSubstr("the list given makes 3 steps, but steps is 5"));
  EXPECT_THAT(error_of("ddim", GaussianConfig(), 1, {{"timesteps", std::vector<double>{1000}}}),
              HasSubstr("below 1000"));
  EXPECT_THAT(error_of("analytic_dpm", GaussianConfig(), 5, {}), HasSubstr("mind-trajectory"));
  EXPECT_THAT(error_of("lcm", GaussianConfig(), 51, {}),
              HasSubstr("at most as many steps as its teacher, 50"));
  EXPECT_THAT(error_of("ddim", GaussianConfig(), 5, {{"etta", 0.1}}),
              HasSubstr("it has: eta, use_clipped_output"));
  EXPECT_EQ(error_of("ddim", flow, 5, {{"eta", 0.5}}), "");
  EXPECT_EQ(error_of("DPM++ 2m karras", GaussianConfig(), 5, {}), "");
}

TEST(SamplerConfig, NumbersBeyondReckoningAreNamed) {
  struct Case {
    const char* class_name;
    const char* key;
    nlohmann::json value;
  };
  for (const auto& [class_name, key, value] :
       std::vector<Case>{{"DDIMScheduler", "beta_start", 5e89},
                         {"DDIMScheduler", "beta_end", 1},
                         {"DDIMScheduler", "beta_end", -0.1},
                         {"DDIMScheduler", "trained_betas", {0.5, 1.5}},
                         {"DDIMScheduler", "trained_betas", {0.5, 0.5, 0.5}},
                         {"DDIMScheduler", "steps_offset", 2},
                         {"FlowMatchEulerDiscreteScheduler", "shift", 0},
                         {"ScoreSdeVeScheduler", "sigma_min", 5000},
                         {"ScoreSdeVeScheduler", "correct_steps", -1}}) {
    const nlohmann::json json = {{"_class_name", class_name}, {"num_train_timesteps", 2}, {key, value}};
    try {
      SamplerConfig::From(Config(json, "test"));
      ADD_FAILURE() << key;
    } catch (const ModelError& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr("test: \"" + std::string(key) + "\" is "));
    }
  }
}

// Runs a sampler on a network until it ends or throws; the evaluations it made.
int64_t RunOn(const Sampler& sampler, const std::function<at::Tensor(const at::Tensor&)>& network) {
  SampleState state;
  state.noise = std::make_unique<SeededNoise>(1);
  state.x = state.noise->Draw({1, 2, 2}) * sampler.initial_scale();
  return RunToEnd(sampler, state, [&network](const at::Tensor& x, double) { return network(x); });
}

class SamplerThatAdapts : public testing::TestWithParam<const char*> {};

TEST_P(SamplerThatAdapts, EndsOnANetworkThatAnswersNoNumbers) {
  for (const double answer : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    int64_t evaluations = 0;
    const auto sampler = MakeSampler(GetParam(), GaussianConfig(), 5);
    try {
      RunOn(*sampler, [&](const at::Tensor& x) {
        // Well at first: the network breaks on the way.
        return ++evaluations > 8 ? at::full_like(x, answer) : x * 0.5;
      });
      ADD_FAILURE() << "came to an end";
    } catch (const ModelError& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr("not finite"));
    }
    EXPECT_LT(evaluations, 30);
  }
}

TEST_P(SamplerThatAdapts, EndsOnANetworkThatNoStepIsSmallEnoughFor) {
  int64_t evaluations = 0;
  const auto sampler = MakeSampler(GetParam(), GaussianConfig(), 5,
                                   {{"relative_tolerance", 1e-6}, {"absolute_tolerance", 1e-6}});
  EXPECT_THROW(RunOn(*sampler,
                     [&](const at::Tensor& x) {
                       ++evaluations;
                       return at::full_like(x, evaluations % 2 == 0 ? 1 : -1);
                     }),
               RequestError);
  EXPECT_LE(evaluations, 10'000);
}

INSTANTIATE_TEST_SUITE_P(All, SamplerThatAdapts, testing::Values("dpm_adaptive", "adaptive_sde", "ode_rk45"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Sampler, HeunCountsTheEvaluationsOfALastStepThatEndsInNoise) {
  const auto sampler =
      MakeSampler("heun", GaussianConfig(), 2, {{"sigmas", std::vector<double>{10, 2, 0.5}}});
  EXPECT_EQ(RunOn(*sampler, [](const at::Tensor& x) { return x * 0.5; }), sampler->evaluations());
}

TEST(Sampler, AModelThatMustFindNoiseInPureNoiseIsRefused) {
  const nlohmann::json json = {{"_class_name", "DDIMScheduler"}, {"rescale_betas_zero_snr", true}};
  EXPECT_THROW(SamplerConfig::From(Config(json, "test")), ModelError);
}

TEST(Sampler, ASmoothPathNeverRises) {
  SamplerConfig config;
  config.train_steps = 2000;  // so much noise that the last steps hold nothing
  const ContinuousPath path(config);
  for (double t = 0.001; t < 1; t += 0.0003) EXPECT_GE(path.Diffusion(t), 0) << t;
}

TEST(Sampler, EveryOneIsFoundByItsNamesAndDescribesItself) {
  std::set<std::string> seen;
  for (const SamplerInfo& sampler : SamplersFor(GaussianConfig())) {
    EXPECT_TRUE(seen.insert(sampler.name).second) << sampler.name;
    EXPECT_FALSE(sampler.description.empty()) << sampler.name;
    for (const std::string& alias : sampler.aliases) {
      EXPECT_NO_THROW(MakeSampler(alias, GaussianConfig(), 8)) << alias;
      EXPECT_TRUE(seen.insert(alias).second) << alias;
    }
    SamplerParameters defaults;  // what is said to hold by default is allowed, and changes nothing
    for (const ParameterInfo& parameter : sampler.parameters) {
      if (parameter.kind != ParameterInfo::Kind::kNumbers) defaults[parameter.name] = parameter.default_value;
    }
    EXPECT_NO_THROW(MakeSampler(sampler.name, GaussianConfig(), 8, defaults)) << sampler.name;
  }
  EXPECT_GE(seen.size(), 40U);
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
  // 499.5 in the reals, a little less as numpy steps there.
  EXPECT_EQ(IntegerTimesteps(Spacing::kLinspace, 1000, 31, 0)[15], 499);
}

}  // namespace
}  // namespace mind::diffusion
