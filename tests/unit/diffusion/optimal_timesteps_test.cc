#include "worker/diffusion/samplers/optimal_timesteps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/unit/diffusion/exact_model.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/sampler_tables.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

// Gaussian data: the error of the exact denoiser is the variance of x0 given x.
std::vector<Candidate> GaussianCandidates(int64_t count) {
  const std::vector<double> alphas = AlphasCumprod(SamplerConfig());
  std::vector<Candidate> candidates;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t t = i * 999 / (count - 1);
    const double a = alphas[static_cast<size_t>(t)], s2 = exact::kDeviation * exact::kDeviation;
    candidates.push_back({t, a / (1 - a), s2 * (1 - a) / (a * s2 + 1 - a)});
  }
  return candidates;
}

double CostOf(const std::vector<Candidate>& candidates, const std::vector<int64_t>& timesteps) {
  const auto at = [&](int64_t t) {
    return *std::find_if(candidates.begin(), candidates.end(),
                         [t](const Candidate& c) { return c.timestep == t; });
  };
  double cost = 0;
  for (size_t i = 1; i < timesteps.size(); ++i) cost += StepCost(at(timesteps[i - 1]), at(timesteps[i]));
  return cost;
}

TEST(OptimalTimesteps, AreTheBestOfAllPaths) {
  const std::vector<Candidate> candidates = GaussianCandidates(9);
  const auto found = OptimalTimesteps(candidates, 6);
  for (const auto& [steps, timesteps] : found) {
    ASSERT_EQ(static_cast<int64_t>(timesteps.size()), steps);
    EXPECT_EQ(timesteps.front(), 999);
    EXPECT_EQ(timesteps.back(), 0);
    double best = 1e300;
    for (int64_t subset = 0; subset < (1 << 7); ++subset) {  // of the seven between the ends
      if (__builtin_popcountll(static_cast<unsigned long long>(subset)) != steps - 2) continue;
      std::vector<int64_t> path = {999};
      for (int64_t i = 6; i >= 0; --i) {
        if ((subset >> i) & 1) path.push_back(candidates[static_cast<size_t>(i) + 1].timestep);
      }
      path.push_back(0);
      best = std::min(best, CostOf(candidates, path));
    }
    EXPECT_NEAR(CostOf(candidates, timesteps), best, 1e-12 * best) << steps;
  }
}

TEST(OptimalTimesteps, BeatEvenOnesAndImproveWithSteps) {
  const std::vector<Candidate> candidates = GaussianCandidates(112);
  const auto found = OptimalTimesteps(candidates, 38);
  double before = 1e300;
  for (const int64_t steps : {4, 38}) {  // whose even spacing falls on candidates
    std::vector<int64_t> even;
    for (int64_t i = 0; i < steps; ++i)
      even.push_back(candidates[static_cast<size_t>((steps - 1 - i) * 111 / (steps - 1))].timestep);
    const double cost = CostOf(candidates, found.at(steps));
    EXPECT_LT(cost, CostOf(candidates, even)) << steps;
    EXPECT_LT(cost, before);
    before = cost;
  }
}

class OptimalTimestepsFile : public testing::Test {
 protected:
  ~OptimalTimestepsFile() override { std::filesystem::remove(path_); }
  void Write(const std::string& text) { std::ofstream(path_) << text; }
  std::string ErrorOf(const std::string& text) {
    Write(text);
    SamplerConfig config;
    try {
      SamplerTables::AddTo(config, path_);
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }

  const std::string path_ = testing::TempDir() + "/sampler_tables_" + std::to_string(getpid()) + ".json";
};

TEST_F(OptimalTimestepsFile, IsReadAsItWasWrittenAndUsed) {
  SamplerTables tables;
  tables.optimal_timesteps = OptimalTimesteps(GaussianCandidates(20), 6);
  tables.x0_errors.assign(1000, 0.5);
  tables.Write(path_);
  SamplerConfig config;
  config.class_name = "DDIMScheduler";
  SamplerTables::AddTo(config, path_);
  EXPECT_EQ(config.optimal_timesteps, tables.optimal_timesteps);
  EXPECT_EQ(config.x0_errors, tables.x0_errors);
  const auto sampler = MakeSampler("ddim", config, 5, {{"spacing", "optimal"}});
  SampleState state;
  state.x = at::ones({1, 1, 1});
  std::vector<int64_t> asked;
  exact::Run(*sampler, state, [&](const at::Tensor& x, double t) {
    asked.push_back(static_cast<int64_t>(t));
    return x;
  });
  EXPECT_EQ(asked, tables.optimal_timesteps.at(5));
  EXPECT_THROW(MakeSampler("ddim", config, 7, {{"spacing", "optimal"}}), RequestError);
  EXPECT_NO_THROW(MakeSampler("analytic_dpm", config, 7));
}

TEST_F(OptimalTimestepsFile, IsRefusedWhereItDoesNotFit) {
  using testing::HasSubstr;
  EXPECT_EQ(ErrorOf("{}"), "");
  EXPECT_THAT(ErrorOf("["), HasSubstr(path_));
  EXPECT_THAT(ErrorOf(R"({"optimal_timesteps": [1]})"), HasSubstr("optimal_timesteps"));
  EXPECT_THAT(ErrorOf(R"({"optimal_timesteps": {"x": [1]}})"), HasSubstr("optimal_timesteps"));
  EXPECT_THAT(ErrorOf(R"({"optimal_timesteps": {"3": [9, 5]}})"), HasSubstr("falling whole numbers"));
  EXPECT_THAT(ErrorOf(R"({"optimal_timesteps": {"2": [5, 9]}})"), HasSubstr("falling whole numbers"));
  EXPECT_THAT(ErrorOf(R"({"optimal_timesteps": {"1": [1000]}})"), HasSubstr("falling whole numbers"));
  EXPECT_THAT(ErrorOf(R"({"optimal_timesteps": {"1": [0.5]}})"), HasSubstr("falling whole numbers"));
  EXPECT_THAT(ErrorOf(R"({"x0_errors": [1, 2]})"), HasSubstr("x0_errors"));
  EXPECT_THAT(ErrorOf(R"({"x0_errors": "many"})"), HasSubstr("x0_errors"));
}

}  // namespace
}  // namespace mind::diffusion
