// How fast samplers approach the exact solution as steps are added, on data whose denoiser is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/diffusion/exact_model.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/ddim.h"
#include "worker/diffusion/samplers/deis.h"
#include "worker/diffusion/samplers/dpm_solver_multistep.h"
#include "worker/diffusion/samplers/dpm_solver_singlestep.h"
#include "worker/diffusion/samplers/euler.h"
#include "worker/diffusion/samplers/heun.h"
#include "worker/diffusion/samplers/ipndm.h"
#include "worker/diffusion/samplers/kdpm2.h"
#include "worker/diffusion/samplers/lms.h"
#include "worker/diffusion/samplers/pndm.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/unipc.h"

namespace mind::diffusion {
namespace {

using exact::EvenLevels;

using Made = std::unique_ptr<const Sampler>;

// A configuration whose rules stay the same to the last step.
SamplerConfig SolverOfOrder(int64_t order, const char* algorithm = "dpmsolver++") {
  SamplerConfig config;
  config.solver_order = order;
  config.algorithm = algorithm;
  config.lower_order_final = false;
  return config;
}

std::vector<DdimSampler::Move> Moves(const NoiseLevels& levels) {
  std::vector<DdimSampler::Move> moves;
  for (size_t i = 0; i + 1 < levels.levels.size(); ++i) moves.push_back({levels[i], levels[i + 1]});
  return moves;
}

Made Plms(const NoiseLevels& levels) {
  SamplerConfig config;
  config.skip_prk = true;
  std::vector<PndmSampler::Move> moves;
  for (size_t i = 0; i + 1 < levels.levels.size(); ++i) {
    const NoiseLevel &from = levels[i], &to = levels[i + 1];
    moves.push_back({.from = from, .to = to, .half = from, .middle = from, .look = to, .counted = from});
  }
  return std::make_unique<PndmSampler>(config, std::move(moves));
}

// The same levels in variance-exploding form, for a network that is told sigma.
NoiseLevels Exploding(NoiseLevels levels) {
  for (NoiseLevel& level : levels.levels) {
    const double sigma = level.sigma / level.alpha;
    level = {1, sigma, sigma};
  }
  return levels;
}

SamplerConfig ExplodingConfig() {
  SamplerConfig config;
  config.form = NetworkForm::kExploding;
  return config;
}

struct Method {
  const char* name;
  double order;
  int64_t evaluations_per_step;  // of the method's own steps, where each evaluation is one of ours
  bool exploding;
  Made (*make)(const NoiseLevels& levels);
};

void PrintTo(const Method& method, std::ostream* out) {
  *out << method.name;
}

template <typename S, int64_t order>
Made Multistep(const NoiseLevels& levels) {
  return std::make_unique<S>(SolverOfOrder(order), levels);
}
template <int64_t order>
Made Singlestep(const NoiseLevels& levels) {
  return std::make_unique<DpmSolverSinglestepSampler>(SolverOfOrder(order, "dpmsolver"), levels);
}
template <typename S>
Made Sigma(const NoiseLevels& levels) {
  return std::make_unique<S>(ExplodingConfig(), Exploding(levels));
}

const Method kMethods[] = {
    {"ddim", 1, 1, false,
     [](const NoiseLevels& l) -> Made { return std::make_unique<DdimSampler>(SamplerConfig(), Moves(l)); }},
    {"dpm_solver_1", 1, 1, false, Singlestep<1>},
    {"dpm_solver_2s", 2, 2, false, Singlestep<2>},
    {"dpm_solver_3s", 3, 3, false, Singlestep<3>},
    {"dpmpp_2m", 2, 1, false, Multistep<DpmSolverMultistepSampler, 2>},
    {"unipc_1", 2, 1, false, Multistep<UniPcSampler, 1>},
    {"unipc_2", 3, 1, false, Multistep<UniPcSampler, 2>},
    {"plms", 2, 1, false, Plms},
    {"deis_1", 1, 1, false, Multistep<DeisSampler, 1>},
    {"deis_2", 2, 1, false, Multistep<DeisSampler, 2>},
    {"euler", 1, 1, true, Sigma<EulerSampler>},
    {"heun", 2, 1, true, Sigma<HeunSampler>},
    {"dpm2", 2, 1, true,
     [](const NoiseLevels& l) -> Made {
       return std::make_unique<Kdpm2Sampler>(ExplodingConfig(), Exploding(l));
     }},
};

double ErrorAt(const Method& method, int64_t steps) {
  const NoiseLevels levels = EvenLevels(steps * method.evaluations_per_step);
  const at::Tensor x = at::linspace(-2, 2, 9, at::kDouble).view({1, 1, 9});
  const NoiseLevel &first = levels.levels.front(), &last = levels.levels.back();
  const at::Tensor exact = exact::GaussianFlow(x, first, last);
  const at::Tensor got =
      method.exploding ? exact::Run(*method.make(levels), x / first.alpha, exact::GaussianScore) * last.alpha
                       : exact::Run(*method.make(levels), x, exact::GaussianNoise);
  return (got - exact).abs().max().item<double>();
}

class SamplerOrder : public testing::TestWithParam<Method> {};

TEST_P(SamplerOrder, IsWhatTheoryPromises) {
  const double slope = std::log2(ErrorAt(GetParam(), 320) / ErrorAt(GetParam(), 640));
  RecordProperty("slope", std::to_string(slope));
  EXPECT_NEAR(slope, GetParam().order, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Methods, SamplerOrder, testing::ValuesIn(kMethods),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SamplerOrder, UniPcOfOrderThreeIsAlmostFour) {
  const Method method = {"unipc_3", 4, 1, false, Multistep<UniPcSampler, 3>};
  EXPECT_GE(std::log2(ErrorAt(method, 320) / ErrorAt(method, 640)), 3.9);
}

TEST(SamplerOrder, AStartOfLowerOrderLimitsTheThirdOrderMultistep) {
  const Method method = {"dpmpp_3m", 2, 1, false, Multistep<DpmSolverMultistepSampler, 3>};
  EXPECT_NEAR(std::log2(ErrorAt(method, 320) / ErrorAt(method, 640)), 2, 0.05);
}

TEST(SamplerOrder, LinearMultistepBeatsSecondOrder) {
  for (const Method& method :
       {Method{"lms", 4, 1, true, Sigma<LmsSampler>}, Method{"ipndm", 4, 1, true, Sigma<IpndmSampler>},
        Method{"deis_3", 3, 1, false, Multistep<DeisSampler, 3>}}) {
    EXPECT_GE(std::log2(ErrorAt(method, 320) / ErrorAt(method, 640)), 1.95) << method.name;
  }
}

SamplerConfig ContinuousConfig() {
  SamplerConfig config;
  config.class_name = "ScoreSdeVpScheduler";
  config.form = NetworkForm::kContinuous;
  config.double_precision = true;
  config.beta_min = exact::kBetaMin;
  config.beta_max = exact::kBetaMax;
  return config;
}

at::Tensor ToldTime(const at::Tensor& x, double told) {
  return exact::GaussianNoise(x, exact::LambdaOfTime(told / 999));
}

TEST(SamplerOrder, RungeKuttaMeetsItsTolerance) {
  const at::Tensor x = at::linspace(-2, 2, 9, at::kDouble).view({1, 1, 9});
  const auto level = [](double t) { return exact::LevelOfLambda(exact::LambdaOfTime(t)); };
  const at::Tensor exact = exact::GaussianFlow(x, level(1), level(1e-3));
  double before = 1;
  for (const double tolerance : {1e-3, 1e-4, 1e-5, 1e-6}) {
    const auto sampler = MakeSampler(
        "ode_rk45", ContinuousConfig(), 10,
        {{"relative_tolerance", tolerance}, {"absolute_tolerance", tolerance}, {"denoise_at_end", false}});
    const double error = (exact::Run(*sampler, x, ToldTime) - exact).abs().max().item<double>();
    EXPECT_LT(error, 5 * tolerance);
    EXPECT_LT(error, before);
    before = error;
  }
}

TEST(SamplerOrder, TheAdaptiveSolversMeetTheirTolerance) {
  // On a network with discrete steps, its levels read between the steps.
  SamplerConfig config;
  const std::vector<double> table = TrainingSigmas(config);
  const exact::Network network = exact::DiscreteNetwork(config, exact::GaussianNoise);
  const at::Tensor x = at::linspace(-2, 2, 9, at::kDouble).view({1, 1, 9});
  const NoiseLevel from = NoiseLevel::PreservingOfSigma(table.back(), 0);
  const NoiseLevel to = NoiseLevel::PreservingOfSigma(table.front(), 0);
  const at::Tensor exact = exact::GaussianFlow(x, from, to);
  for (const double order : {2.0, 3.0}) {
    for (const double tolerance : {1e-2, 1e-3, 1e-4}) {
      const auto sampler = MakeSampler("dpm_adaptive", config, 10,
                                       {{"order", order},
                                        {"relative_tolerance", tolerance},
                                        {"absolute_tolerance", tolerance},
                                        {"denoise_at_end", false}});
      EXPECT_LT((exact::Run(*sampler, x, network) - exact).abs().max().item<double>(), 10 * tolerance)
          << order << " " << tolerance;
    }
  }
}

TEST(SamplerOrder, ReportingMoreOftenDoesNotChangeAnAdaptivePicture) {
  for (const char* name : {"ode_rk45", "adaptive_sde"}) {
    std::vector<at::Tensor> ends;
    for (const int64_t steps : {1, 7, 500}) {
      const auto sampler = MakeSampler(name, ContinuousConfig(), steps);
      SampleState state;
      state.noise = std::make_unique<SeededNoise>(3);
      state.x = state.noise->Draw({1, 4, 4}).to(at::kDouble);
      exact::Run(*sampler, state, ToldTime);
      ends.push_back(state.x);
    }
    EXPECT_TRUE(at::equal(ends[0], ends[1]) && at::equal(ends[0], ends[2])) << name;
  }
}

}  // namespace
}  // namespace mind::diffusion
