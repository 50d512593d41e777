// Samplers whose means a classifier's gradient shifts (Dhariwal & Nichol 2021, alg. 1).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr double kPriorMean = 0.7, kPriorDeviation = 0.5;  // of the data
constexpr double kSeen = -0.4, kSeenWithin = 0.4;  // what a classifier has seen of x0, and how blurred

SamplerConfig ChainConfig() {
  SamplerConfig config;
  config.class_name = "DDPMScheduler";
  config.beta_schedule = "scaled_linear";
  config.beta_start = 0.00085;
  config.beta_end = 0.012;
  config.x0_errors.assign(1000, 0.01);
  return config;
}

struct Said {
  at::Tensor output, lead;
};

void TakeLedStep(const Sampler& sampler, SampleState& state,
                 const std::function<Said(const at::Tensor& x, double t)>& say) {
  Evaluator evaluator;
  Task step = sampler.Step(state, evaluator);
  for (step.Resume(); !step.done(); step.Resume()) {
    Said said = say(evaluator.input(), evaluator.timestep());
    evaluator.Answer(said.output, said.lead);
  }
  ++state.step;
}

SampleState StateOf(const at::Tensor& x, int64_t step = 0) {
  SampleState state;
  state.x = x;
  state.step = step;
  state.noise = std::make_unique<SeededNoise>(1);
  return state;
}

TEST(MeanShift, IsOfChainsAlone) {
  EXPECT_TRUE(MakeSampler("ddpm", ChainConfig(), 10)->shifts_mean());
  EXPECT_TRUE(MakeSampler("analytic_dpm", ChainConfig(), 10)->shifts_mean());
  EXPECT_FALSE(MakeSampler("analytic_dpm", ChainConfig(), 10, {{"eta", 0.0}})->shifts_mean());
  for (const std::string name : {"ddim", "euler_a", "dpmpp_2m", "reverse_sde"})
    EXPECT_FALSE(MakeSampler(name, ChainConfig(), 10)->shifts_mean()) << name;
}

// By the variance of the noise that the step draws, which a second draw shows.
TEST(MeanShift, IsTheStepsVarianceTimesTheGradient) {
  const at::Tensor x = SeededNoise(2).Draw({3, 4, 4}), lead = SeededNoise(3).Draw({3, 4, 4}),
                   output = SeededNoise(4).Draw({3, 4, 4}), variance = SeededNoise(5).Draw({3, 4, 4});
  class Fixed : public NoiseSource {
   public:
    explicit Fixed(double value) : value_(value) {}
    at::Tensor Draw(at::IntArrayRef shape) override { return at::full(shape, value_); }

   private:
    double value_;
  };
  for (const std::string kind : {"fixed_small", "fixed_large", "learned_range", "analytic"}) {
    const bool analytic = kind == "analytic", learned = kind == "learned_range";
    const auto sampler = analytic ? MakeSampler("analytic_dpm", ChainConfig(), 10)
                                  : MakeSampler("ddpm", ChainConfig(), 10, {{"variance", kind}});
    const auto made = [&](const at::Tensor& by, double draw) {
      SampleState state = StateOf(x, /*step=*/4);
      state.noise = std::make_unique<Fixed>(draw);
      TakeLedStep(*sampler, state, [&](const at::Tensor&, double) {
        return Said{learned ? at::cat({output, variance}) : output, by};
      });
      return state.x;
    };
    const at::Tensor deviation = made({}, 1) - made({}, 0);
    EXPECT_TRUE(at::allclose(made(lead, 0) - made({}, 0), deviation.square() * lead, 1e-3, 1e-6)) << kind;
    EXPECT_GT((made(lead, 0) - made({}, 0)).abs().max().item<double>(), 1e-3) << kind;
  }
}

// Of Gaussian data, of which a blurred number was seen, the gradient of what was seen is known exactly; led
// by it the chain ends where Bayes' rule says.
TEST(MeanShift, LeadsAChainToThePosterior) {
  const std::vector<double> alphas = AlphasCumprod(ChainConfig());
  const auto sampler = MakeSampler("ddpm", ChainConfig(), 1000);
  SampleState state = StateOf(SeededNoise(7).Draw({1, 1, 20000}));
  while (state.step < sampler->steps()) {
    TakeLedStep(*sampler, state, [&](const at::Tensor& x, double t) {
      const double a = alphas[static_cast<size_t>(t)], s2 = kPriorDeviation * kPriorDeviation;
      const double total = a * s2 + 1 - a, slope = std::sqrt(a) * s2 / total;
      const at::Tensor mean = kPriorMean + slope * (x - std::sqrt(a) * kPriorMean);  // of x0, by x
      const double blur = s2 * (1 - a) / total + kSeenWithin * kSeenWithin;
      return Said{std::sqrt(1 - a) * (x - std::sqrt(a) * kPriorMean) / total, slope * (kSeen - mean) / blur};
    });
  }
  const double weight = 1 / (kPriorDeviation * kPriorDeviation) + 1 / (kSeenWithin * kSeenWithin);
  const double mean =
      (kPriorMean / (kPriorDeviation * kPriorDeviation) + kSeen / (kSeenWithin * kSeenWithin)) / weight;
  EXPECT_NEAR(state.x.mean().item<double>(), mean, 0.02);
  EXPECT_NEAR(state.x.std().item<double>(), std::sqrt(1 / weight), 0.02);
}

}  // namespace
}  // namespace mind::diffusion
