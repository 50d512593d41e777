// Shifts by size, and what the records of trajectories do not say of the levels of flows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/flow_levels.h"
#include "worker/diffusion/samplers/flow_shift.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

SamplerConfig FlowOf(nlohmann::json file = nlohmann::json::object()) {
  file["_class_name"] = "FlowMatchEulerDiscreteScheduler";
  return SamplerConfig::From(Config(file, "file"));
}

// Recorded from diffusers' calculate_shift and compute_empirical_mu.
TEST(Flow, MuGoesByTheTokensOfAPictureAndFlux2sByTheStepsToo) {
  FlowConfig config;
  const auto mu = [&config](int64_t tokens, int64_t steps) {
    config.tokens = tokens;
    return FlowShiftOf(config, steps);
  };
  EXPECT_NEAR(mu(256, 4), 0.5, 1e-12);
  EXPECT_NEAR(mu(1024, 9), 0.63, 1e-12);
  EXPECT_NEAR(mu(4096, 9), 1.15, 1e-12);
  config.mu = FlowMu::kFlux2;
  EXPECT_NEAR(mu(256, 4), 1.965567161408539, 1e-12);
  EXPECT_NEAR(mu(4096, 20), 2.198022072555116, 1e-12);
  EXPECT_NEAR(mu(8192, 6), 1.8433265, 1e-12);
  EXPECT_NEAR(mu(8192, 40), 1.8433265, 1e-12);
}

TEST(Flow, ALargerPictureHasMoreOfItsStepsInTheNoise) {
  const SamplerConfig config = FlowOf({{"use_dynamic_shifting", true}});
  const auto sigma = [&config](int64_t height, int64_t width) {
    return MakeSampler("euler", OfPicture(config, {16, height, width}), 8)->LevelOf(4).sigma;
  };
  EXPECT_LT(sigma(32, 32), sigma(64, 128));
  EXPECT_EQ(sigma(64, 128), sigma(128, 64));
  // With a fixed shift the size says nothing.
  const SamplerConfig fixed = FlowOf({{"shift", 3}});
  EXPECT_EQ(OfPicture(fixed, {16, 8, 8}).flow.tokens, 16);
  EXPECT_EQ(Shifted(OfPicture(fixed, {16, 8, 8}).flow, 8, 0.5), Shifted(fixed.flow, 8, 0.5));
}

TEST(Flow, ARequestsLevelsAreShiftedAndMustBeAFlows) {
  SamplerConfig config = FlowOf({{"shift", 2}});
  config.custom_sigmas = {1, 0.5, 0.25};
  const NoiseLevels levels = FlowLevels(config, 2);
  ASSERT_EQ(levels.steps(), 2);
  EXPECT_NEAR(levels[1].sigma, 2.0 / 3, 1e-7);
  EXPECT_NEAR(levels[2].sigma, 0.4, 1e-7);
  config.custom_sigmas = {1.5, 0};
  EXPECT_THROW(FlowLevels(config, 1), RequestError);
  config.custom_sigmas.clear();
  config.custom_timesteps = {500, 0};
  EXPECT_THROW(FlowLevels(config, 2), RequestError);
}

TEST(Flow, SolversBeginWithSomeSignal) {
  for (const char* const sampler : {"unipc", "dpmpp_2m", "deis", "dpmpp_2s"}) {
    const NoiseLevel first = MakeSampler(sampler, FlowOf(), 4)->LevelOf(0);
    EXPECT_GT(first.alpha, 0) << sampler;
    EXPECT_TRUE(std::isfinite(first.lambda())) << sampler;
    EXPECT_EQ(first.timestep, 1000) << sampler;
  }
  EXPECT_EQ(MakeSampler("euler", FlowOf(), 4)->LevelOf(0).alpha, 0);
}

TEST(Flow, ANetworkIsAFlowsByBothOfItsKeysOrByNone) {
  for (const nlohmann::json& file :
       {nlohmann::json{{"use_flow_sigmas", true}}, nlohmann::json{{"prediction_type", "flow_prediction"}}}) {
    nlohmann::json solver = file;
    solver["_class_name"] = "UniPCMultistepScheduler";
    EXPECT_THROW(SamplerConfig::From(Config(solver, "file")), UnsupportedError) << file;
  }
}

TEST(Flow, OneStepIsFromNoiseToPicture) {
  for (const char* const sampler : {"euler", "heun", "lcm", "unipc", "euler_karras"}) {
    const auto made = MakeSampler(sampler, FlowOf({{"shift_terminal", 0.02}}), 1);
    EXPECT_NEAR(made->LevelOf(0).sigma, 1, 1e-5) << sampler;
  }
}

}  // namespace
}  // namespace mind::diffusion
