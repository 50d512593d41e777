// Every scheduler class against every key that any of them has: a foreign key changes nothing, an own one
// acts or is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/ddim.h"
#include "worker/diffusion/samplers/dpm_solver_multistep.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/repaint.h"
#include "worker/diffusion/samplers/run.h"
#include "worker/diffusion/samplers/scheduler_classes.h"

namespace mind::diffusion {
namespace {

using nlohmann::json;

constexpr int64_t kSteps = 6;

std::unique_ptr<const Sampler> MakeScheduler(const std::string& name, const SamplerConfig& config) {
  if (name != "own") return MakeSampler(name, config, kSteps);
  if (config.class_name == "DDIMInverseScheduler") {
    return std::make_unique<DdimInverseSampler>(config, kSteps);
  }
  if (config.class_name == "DPMSolverMultistepInverseScheduler") {
    return std::make_unique<DpmSolverInverseSampler>(config, kSteps);
  }
  if (config.class_name == "RePaintScheduler") {
    return std::make_unique<RepaintSampler>(config, kSteps,
                                            KnownPicture{at::zeros({1, 2, 2}), at::zeros({1, 2, 2})});
  }
  return MakeSampler(DefaultSamplerName(config), config, kSteps);
}

// All that a network sees of a sampler, and what it makes; or the error that refuses it.
struct Walk {
  std::vector<double> seen;
  std::string error;

  bool operator==(const Walk& other) const = default;
};

Walk WalkOf(const std::string& sampler_name, const json& file) {
  Walk walk;
  const auto see = [&walk](const at::Tensor& x) {
    const at::Tensor values = x.to(at::kDouble).contiguous();
    walk.seen.insert(walk.seen.end(), values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  };
  try {
    const SamplerConfig config = SamplerConfig::From(Config(file, "file"));
    const auto sampler = MakeScheduler(sampler_name, config);
    SampleState state;
    state.noise = std::make_unique<SeededNoise>(7);
    state.x = state.noise->Draw({1, 2, 2}) * sampler->initial_scale();
    RunToEnd(
        *sampler, state,
        [&](const at::Tensor& input, double timestep) {
          walk.seen.push_back(timestep);
          see(input);
          return input.sin() * 3 + 0.5;
        },
        [&] { see(state.x); });
  } catch (const Error& e) {
    walk.error = e.what();
  }
  return walk;
}

// What a key may say beside its default, in files where it makes a difference: `beside` is what else they
// say.
struct SampleOf {
  std::vector<json> values;
  json beside = json::object();
};

// Of the solvers' flow forms, and of shifts by size.
const json kFlow = {{"use_flow_sigmas", true}, {"prediction_type", "flow_prediction"}};
const json kDynamic = {
    {"use_flow_sigmas", true}, {"prediction_type", "flow_prediction"}, {"use_dynamic_shifting", true}};

const std::map<std::string, SampleOf>& Samples() {
  static const auto* const samples = new std::map<std::string, SampleOf>{
      {"num_train_timesteps", {{300, 4}}},
      {"beta_start", {{0.002}}},
      {"beta_end", {{0.03}}},
      {"beta_schedule", {{"squaredcos_cap_v2", "linear", "scaled_linear", "sigmoid"}}},
      {"trained_betas", {{std::vector<double>(1000, 0.007)}}},
      {"rescale_betas_zero_snr",
       {{true}, {{"prediction_type", "v_prediction"}, {"timestep_spacing", "trailing"}}}},
      {"prediction_type", {{"sample", "v_prediction"}}},
      {"beta_min", {{0.4}}},
      {"beta_max", {{12}}},
      {"sigma_min", {{0.2}, {{"use_karras_sigmas", true}}}},
      {"sigma_max", {{9.5}, {{"use_karras_sigmas", true}}}},
      {"sigma_data", {{0.8}}},
      {"rho", {{5}}},
      {"shift", {{3}}},
      {"timestep_type", {{"continuous"}, {{"prediction_type", "v_prediction"}}}},
      {"sampling_eps", {{0.02}}},
      {"original_inference_steps", {{20}}},
      {"timestep_scaling", {{1e-4}}},
      {"timestep_spacing", {{"leading", "linspace", "trailing"}}},
      {"steps_offset", {{1}, {{"timestep_spacing", "leading"}}}},
      {"set_alpha_to_one", {{true, false}}},
      {"set_alpha_to_zero", {{false}}},
      {"use_karras_sigmas", {{true}}},
      {"use_lu_lambdas", {{true}}},
      {"use_exponential_sigmas", {{true}}},
      {"use_beta_sigmas", {{true}}},
      {"sigma_schedule", {{"exponential"}}},
      {"interpolation_type", {{"log_linear"}}},
      {"final_sigmas_type", {{"sigma_min"}}},
      {"lambda_min_clipped", {{-1.5}}},
      {"clip_sample", {{true, false}}},
      {"clip_denoised", {{false}}},
      {"clip_sample_range", {{0.2}, {{"clip_sample", true}}}},
      {"thresholding", {{true}, {{"sample_max_value", 2}}}},
      {"dynamic_thresholding_ratio", {{0.3}, {{"thresholding", true}, {"sample_max_value", 100}}}},
      {"sample_max_value", {{1.01}, {{"thresholding", true}}}},
      {"variance_type", {{"fixed_large", "learned_range"}}},
      {"skip_prk_steps", {{true}}},
      {"eta", {{0.5}}},
      {"solver_order", {{1}}},
      {"algorithm_type", {{"sde-dpmsolver++", "dpmsolver"}}},
      {"solver_type", {{"heun", "bh1"}, {{"solver_order", 2}}}},
      {"predict_x0", {{false}}},
      {"disable_corrector", {{{1, 2}}}},
      {"solver_p", {{"DPMSolverMultistepScheduler"}}},
      {"lower_order_final", {{true, false}, {{"final_sigmas_type", "sigma_min"}, {"solver_order", 3}}}},
      {"euler_at_final", {{true}, {{"final_sigmas_type", "sigma_min"}, {"lower_order_final", false}}}},
      {"s_noise", {{0.5}}},
      {"snr", {{0.3}}},
      {"correct_steps", {{0, 3}}},
      {"noise_sampler_seed", {{3}}},
      {"use_dynamic_shifting", {{true}, kFlow}},
      {"use_flow_sigmas", {{true}}},
      {"flow_shift", {{3}, kFlow}},
      {"time_shift_type", {{"linear"}, kDynamic}},
      {"shift_terminal", {{0.1}, kFlow}},
      {"invert_sigmas", {{true}}},
      {"stochastic_sampling", {{true}}},
      {"base_shift", {{0.4}, {{"use_dynamic_shifting", true}, {"max_image_seq_len", 8192}}}},
      {"max_shift", {{2}, kDynamic}},
      {"base_image_seq_len", {{128}, {{"use_dynamic_shifting", true}, {"max_image_seq_len", 8192}}}},
      {"max_image_seq_len", {{8192}, kDynamic}},
      {"scale_factors", {{json::array({1, 2})}}},
      {"upscale_mode", {{"nearest"}}},
  };
  return *samples;
}

// What counts only as far as the class has the key, too.
json FileOf(const SchedulerClass& one, const json& beside) {
  json file = {{"_class_name", one.name}, {"_diffusers_version", "0.30.3"}};
  for (const SchedulerKey& key : one.keys) {
    if (beside.contains(key.name)) file[key.name] = beside.at(key.name);
  }
  return file;
}

class SchedulerClasses : public testing::TestWithParam<SchedulerClass> {};

TEST_P(SchedulerClasses, AForeignKeyChangesNothing) {
  std::set<std::string> own;
  for (const SchedulerKey& key : GetParam().keys) own.insert(key.name);
  const json plain = FileOf(GetParam(), json::object());
  const Walk expected = WalkOf("own", plain);
  ASSERT_EQ(expected.error, "");
  for (const auto& [key, sample] : Samples()) {
    if (own.contains(key)) continue;
    std::vector<json> values = sample.values;
    values.insert(values.end(), {json("nonsense"), json(-1), json::array({1}), json(nullptr)});
    json file = plain;
    file.update(FileOf(GetParam(), sample.beside));
    const Walk beside = WalkOf("own", file);
    for (const json& value : values) {
      file[key] = value;
      EXPECT_EQ(WalkOf("own", file), beside) << file;
    }
  }
}

// What is read and changes nothing in the reference either: DEIS takes the words of other classes for its
// own, a predicted variance is cut off whether it is announced or not, and EDM's last step goes nowhere or is
// of first order already.
bool SaysNothing(const std::string& class_name, const std::string& key) {
  return (class_name == "DEISMultistepScheduler" && key == "solver_type") ||
         (class_name == "DPMSolverMultistepInverseScheduler" && key == "variance_type") ||
         (class_name == "EDMDPMSolverMultistepScheduler" && key == "euler_at_final");
}

TEST_P(SchedulerClasses, AnOwnKeyActsOrIsRefusedByName) {
  // A student's own sampler asks no more than the teacher's steps; how those are spread is for other rules.
  const std::vector<std::string> samplers = GetParam().form == NetworkForm::kDiscrete && GetParam().samples
                                                ? std::vector<std::string>{"own", "ddim", "ddpm", "lcm"}
                                                : std::vector<std::string>{"own"};
  for (const SchedulerKey& key : GetParam().keys) {
    ASSERT_TRUE(Samples().contains(key.name)) << key.name << ": give values to try";
    const SampleOf& sample = Samples().at(key.name);
    const json plain = FileOf(GetParam(), sample.beside);
    bool acts = false;
    for (const json& value : sample.values) {
      json file = plain;
      file[key.name] = value;
      for (const std::string& sampler : samplers) {
        const Walk walk = WalkOf(sampler, file);
        if (walk == WalkOf(sampler, plain)) continue;
        acts = true;
        if (walk.error.find("file: ") == 0) {
          EXPECT_THAT(walk.error, testing::HasSubstr('"' + std::string(key.name) + '"')) << file;
        }
      }
    }
    EXPECT_EQ(acts, key.read != nullptr && !SaysNothing(GetParam().name, key.name)) << key.name;
  }
}

TEST_P(SchedulerClasses, ItsSamplersTakeTheEvaluationsThatAreAnnounced) {
  if (!GetParam().samples) GTEST_SKIP() << "not offered";
  for (const int corrections : {0, 1, 3}) {
    const SamplerConfig config =
        SamplerConfig::From(Config(FileOf(GetParam(), {{"correct_steps", corrections}}), "file"));
    for (const SamplerInfo& info : SamplersFor(config)) {
      if (info.evaluations_per_step == 0) continue;  // as many as it takes
      const auto few = MakeSampler(info.name, config, 6), more = MakeSampler(info.name, config, 9);
      EXPECT_EQ(static_cast<double>(more->evaluations() - few->evaluations()), 3 * info.evaluations_per_step)
          << info.name << " " << corrections;
      SampleState state;
      state.noise = std::make_unique<SeededNoise>(7);
      state.x = state.noise->Draw({1, 2, 2}) * few->initial_scale();
      const int64_t evaluations =
          RunToEnd(*few, state, [](const at::Tensor& input, double) { return input.sin(); });
      EXPECT_EQ(evaluations, few->evaluations()) << info.name << " " << corrections;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SchedulerClasses, testing::ValuesIn(diffusion::SchedulerClasses()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SchedulerClassesTable, EveryClassThatSamplesHasASamplerOfItsOwn) {
  for (const SchedulerClass& one : diffusion::SchedulerClasses()) {
    const SamplerConfig config = SamplerConfig::From(Config(FileOf(one, json::object()), "file"));
    if (one.samples) {
      EXPECT_NO_THROW(DefaultSamplerName(config)) << one.name;
    } else {
      EXPECT_THROW(DefaultSamplerName(config), UnsupportedError) << one.name;
    }
  }
  EXPECT_GE(diffusion::SchedulerClasses().size(), 29U);
}

TEST(SchedulerClassesTable, AnUnknownClassIsRefusedWithThoseThatAreKnown) {
  try {
    SamplerConfig::From(Config({{"_class_name", "VQDiffusionScheduler"}}, "file"));
    FAIL();
  } catch (const UnsupportedError& e) {
    EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("\"VQDiffusionScheduler\""),
                                         testing::HasSubstr("PNDMScheduler, "),
                                         testing::Not(testing::HasSubstr("Inverse"))));
  }
}

TEST(SchedulerClassesTable, ANullFlagIsFalseAsInPython) {
  const auto clips = [](const json& file) { return SamplerConfig::From(Config(file, "file")).clip; };
  EXPECT_TRUE(clips({{"_class_name", "DDIMScheduler"}}));
  EXPECT_FALSE(clips({{"_class_name", "DDIMScheduler"}, {"clip_sample", nullptr}}));
}

// What one rule is told does not reach another: neither the corrections of a score model, nor how a KDPM2
// model rounds, nor how any model spaces its noise levels.
TEST(SchedulerClassesTable, ARuleOfAnotherClassInheritsNothingOfTheModelsOwn) {
  const auto differs = [](const char* sampler, const json& with, const json& without) {
    const Walk walk = WalkOf(sampler, with);
    EXPECT_EQ(walk.error, "") << with;
    return !(walk == WalkOf(sampler, without));
  };
  const json score = {{"_class_name", "ScoreSdeVeScheduler"}};
  json corrected = score;
  corrected.update({{"correct_steps", 4}, {"snr", 0.4}});
  for (const char* sampler : {"reverse_sde", "euler_maruyama", "euler", "ddim"}) {
    EXPECT_FALSE(differs(sampler, corrected, score)) << sampler;
  }
  EXPECT_TRUE(differs("pc", corrected, score));
  const json betas = {{"beta_start", 0.00085}, {"beta_end", 0.012}};
  json kdpm2 = {{"_class_name", "KDPM2DiscreteScheduler"}, {"use_karras_sigmas", true}};
  json lms = {{"_class_name", "LMSDiscreteScheduler"}};
  kdpm2.update(betas);
  lms.update(betas);
  EXPECT_FALSE(differs("heun_karras", kdpm2, lms));
  EXPECT_FALSE(differs("heun", kdpm2, lms));
}

// The timesteps a network is told, as diffusers 0.35.2 gave them.
std::vector<double> ToldBy(const json& file, int64_t steps) {
  const SamplerConfig config = SamplerConfig::From(Config(file, "file"));
  const auto sampler = config.class_name == "DPMSolverMultistepInverseScheduler"
                           ? std::make_unique<DpmSolverInverseSampler>(config, steps)
                           : MakeSampler(DefaultSamplerName(config), config, steps);
  std::vector<double> told;
  for (int64_t step = 0; step < sampler->steps(); ++step) told.push_back(sampler->LevelOf(step).timestep);
  return told;
}

TEST(SchedulerClassesTable, LevelsThatAreSpacedBySigmaAreToldAsTheReferenceRoundsThem) {
  using testing::ElementsAre;
  using testing::Pointwise;
  const char* const solvers[] = {"DPMSolverMultistepScheduler", "DPMSolverMultistepInverseScheduler"};
  const auto with = [](const char* name, const char* key) {
    return json{{"_class_name", name}, {key, true}};
  };
  EXPECT_THAT(ToldBy(with(solvers[0], "use_karras_sigmas"), 5), ElementsAre(999, 843, 593, 142, 0));
  EXPECT_THAT(ToldBy(with(solvers[0], "use_exponential_sigmas"), 5), ElementsAre(999, 721, 302, 30, 0));
  EXPECT_THAT(ToldBy(with(solvers[0], "use_beta_sigmas"), 5), ElementsAre(999, 979, 927, 808, 0));
  EXPECT_THAT(ToldBy(with(solvers[1], "use_karras_sigmas"), 5), ElementsAre(0, 142, 593, 843, 999));
  EXPECT_THAT(ToldBy(with(solvers[1], "use_beta_sigmas"), 5), ElementsAre(0, 808, 927, 979, 999));
  json kdpm2 = {{"_class_name", "KDPM2DiscreteScheduler"}, {"beta_start", 0.0001}, {"beta_end", 0.02}};
  kdpm2["use_karras_sigmas"] = true;
  EXPECT_THAT(ToldBy(kdpm2, 3), ElementsAre(999, 593, 0));
  kdpm2["use_karras_sigmas"] = false;
  kdpm2["use_exponential_sigmas"] = true;
  EXPECT_THAT(ToldBy(kdpm2, 3), Pointwise(testing::DoubleNear(1e-4), {999.0, 302.31647354364395, 0.0}));
}

TEST(SchedulerClassesTable, FewerStepsAreTakenWhereTheNoisiestAreClipped) {
  EXPECT_THAT(ToldBy({{"_class_name", "DPMSolverMultistepScheduler"},
                      {"timestep_spacing", "trailing"},
                      {"lambda_min_clipped", -3.0}},
                     10),
              testing::ElementsAre(768, 668, 568, 468, 368, 268, 168, 68));
}

}  // namespace
}  // namespace mind::diffusion
