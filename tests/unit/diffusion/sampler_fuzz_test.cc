// Random samplers, models, step counts and parameters: each combination runs to finite numbers or is refused
// with an error that says why. MIND_FUZZ_ROUNDS sets how many; a failure prints the round's seed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/unit/diffusion/exact_model.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

using Kind = ParameterInfo::Kind;

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t Int(int64_t min, int64_t max) { return std::uniform_int_distribution<int64_t>(min, max)(engine_); }
  double Number(double min, double max) { return std::uniform_real_distribution<double>(min, max)(engine_); }
  bool Chance(double p) { return std::bernoulli_distribution(p)(engine_); }
  template <typename T>
  const T& Of(const std::vector<T>& all) {
    return all[static_cast<size_t>(Int(0, static_cast<int64_t>(all.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

nlohmann::json RandomModel(Random& random) {
  const std::vector<std::string> classes = {"DDPMScheduler",
                                            "DDIMScheduler",
                                            "PNDMScheduler",
                                            "EulerDiscreteScheduler",
                                            "UniPCMultistepScheduler",
                                            "DPMSolverMultistepScheduler",
                                            "LCMScheduler",
                                            "EDMEulerScheduler",
                                            "ScoreSdeVeScheduler",
                                            "ScoreSdeVpScheduler",
                                            "CMStochasticIterativeScheduler",
                                            "FlowMatchEulerDiscreteScheduler",
                                            "FlowMatchHeunDiscreteScheduler",
                                            "FlowMatchLCMScheduler",
                                            "IPNDMScheduler"};
  nlohmann::json json = {{"_class_name", random.Of(classes)}};
  if (random.Chance(0.5)) {
    json["beta_schedule"] =
        random.Of<std::string>({"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"});
  }
  if (random.Chance(0.3)) json["num_train_timesteps"] = random.Int(2, 2000);
  if (random.Chance(0.3)) {
    json["timestep_spacing"] = random.Of<std::string>({"leading", "trailing", "linspace"});
  }
  if (random.Chance(0.2)) json["steps_offset"] = 1;
  if (random.Chance(0.3))
    json["prediction_type"] = random.Of<std::string>({"epsilon", "sample", "v_prediction"});
  if (random.Chance(0.2)) json["clip_sample"] = random.Chance(0.5);
  if (random.Chance(0.1)) json["rescale_betas_zero_snr"] = true;
  if (random.Chance(0.2)) json["set_alpha_to_one"] = random.Chance(0.5);
  if (random.Chance(0.2)) {
    json["use_flow_sigmas"] = true;
    json["prediction_type"] = "flow_prediction";
    json["flow_shift"] = random.Number(0.1, 12);
  }
  if (random.Chance(0.3)) json["shift"] = random.Number(0.1, 12);
  if (random.Chance(0.3)) json["use_dynamic_shifting"] = true;
  if (random.Chance(0.2)) json["shift_terminal"] = random.Number(0.001, 0.5);
  if (random.Chance(0.1)) json["invert_sigmas"] = true;
  if (random.Chance(0.1)) json["use_karras_sigmas"] = true;
  return json;
}

// Mostly what is allowed, now and then the edges, and sometimes what is not.
ParameterValue RandomValue(const ParameterInfo& info, int64_t steps, Random& random) {
  if (random.Chance(0.03)) {
    return random.Of<ParameterValue>(
        {true, -1.0, std::nan(""), 1e30, std::string("?"), std::vector<double>{}});
  }
  switch (info.kind) {
    case Kind::kFlag:
      return random.Chance(0.5);
    case Kind::kInteger:
      return static_cast<double>(
          random.Int(static_cast<int64_t>(info.min), static_cast<int64_t>(std::min(info.max, 12.0))));
    case Kind::kNumber:
      if (random.Chance(0.2)) return random.Chance(0.5) ? info.min : info.max;
      return random.Number(info.min, random.Chance(0.5) ? info.max : std::min(info.max, info.min + 1));
    case Kind::kChoice:
      return random.Of(info.choices);
    case Kind::kNumbers: {
      std::vector<double> numbers;
      for (int64_t i = 0; i < steps + info.more_than_steps; ++i) {
        numbers.push_back(info.more_than_steps > 0 ? random.Number(0, 20)
                                                   : static_cast<double>(random.Int(0, 999)));
      }
      std::sort(numbers.rbegin(), numbers.rend());
      numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
      if (info.more_than_steps > 0 && random.Chance(0.5)) numbers.back() = 0;
      return numbers;
    }
  }
  return true;
}

std::string Shown(const SamplerParameters& parameters) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : parameters) {
    std::visit([&, &name = name](const auto& held) { json[name] = held; }, value);
  }
  return json.dump();
}

void OneRound(uint64_t seed) {
  Random random(seed);
  std::string what = "seed " + std::to_string(seed);
  try {
    const nlohmann::json model = RandomModel(random);
    what += ": " + model.dump();
    const SamplerConfig config = SamplerConfig::From(Config(model, "fuzz"));
    const std::vector<SamplerInfo> offered = SamplersFor(config);
    ASSERT_FALSE(offered.empty()) << what;
    const SamplerInfo& sampler = random.Of(offered);
    const int64_t steps = random.Chance(0.9) ? random.Int(1, 30) : random.Int(0, config.train_steps + 1);
    SamplerParameters parameters;
    for (const ParameterInfo& info : sampler.parameters) {
      if (random.Chance(0.25)) parameters[info.name] = RandomValue(info, steps, random);
    }
    what += " " + sampler.name + " " + std::to_string(steps) + " " + Shown(parameters);
    const auto made = MakeSampler(sampler.name, config, steps, parameters);
    SampleState state;
    state.noise = std::make_unique<SeededNoise>(seed);
    state.x = state.noise->Draw({1, 2, 2}) * made->initial_scale();
    constexpr int64_t kEnough = 3000;  // evaluations: adaptive samplers may want many more on such a network
    int64_t evaluations = 0;
    Evaluator evaluator;
    for (; state.step < made->steps() && evaluations < kEnough; ++state.step) {
      Task step = made->Step(state, evaluator);
      for (step.Resume(); !step.done() && evaluations < kEnough; step.Resume(), ++evaluations) {
        ASSERT_TRUE(std::isfinite(evaluator.timestep())) << what;
        ASSERT_TRUE(evaluator.input().isfinite().all().item<bool>()) << what;
        evaluator.Answer(evaluator.input().tanh() * 0.9);
      }
    }
    EXPECT_TRUE(state.x.isfinite().all().item<bool>()) << what;
    EXPECT_TRUE(!state.denoised.defined() || state.denoised.isfinite().all().item<bool>()) << what;
  } catch (const Error& e) {
    EXPECT_GT(std::string(e.what()).size(), 20U) << what;
  } catch (const std::exception& e) {
    ADD_FAILURE() << what << ": " << e.what();
  }
}

TEST(SamplerFuzz, EveryCombinationIsFiniteOrRefused) {
  const char* const rounds = std::getenv("MIND_FUZZ_ROUNDS");
  const uint64_t count = rounds != nullptr ? std::strtoull(rounds, nullptr, 10) : 1500;
  for (uint64_t seed = 0; seed < count && !testing::Test::HasFailure(); ++seed) OneRound(seed);
}

}  // namespace
}  // namespace mind::diffusion
