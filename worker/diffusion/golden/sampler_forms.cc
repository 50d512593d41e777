#include "worker/diffusion/golden/sampler_forms.h"

#include <cmath>

#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/repaint.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr double kTolerance = 1e-5;
constexpr double kTableTolerance = 1e-9;  // float64
constexpr double kFloors = 20;

at::Tensor Doubles(const nlohmann::json& list) {
  return at::tensor(list.get<std::vector<double>>(), at::kDouble);
}

// GLIDE's tables after respacing, from the alphas of the timesteps kept.
void CheckTable(const nlohmann::json& table, Report::Case& result) {
  SamplerConfig config;
  config.double_precision = true;
  config.train_steps = table.at("diffusion_steps");
  config.beta_schedule = table.at("noise_schedule");
  const double scale = 1000.0 / static_cast<double>(config.train_steps);
  config.beta_start = 1e-4 * scale;
  config.beta_end = 0.02 * scale;
  const std::string spec = table.at("timestep_respacing");
  const std::vector<int64_t> kept =
      RespacedTimesteps(spec.empty() ? std::to_string(config.train_steps) : spec, config.train_steps);
  result.ExpectEqual("timesteps of " + spec, kept, table.at("timestep_map").get<std::vector<int64_t>>());

  const std::vector<double> all = AlphasCumprod(config);
  std::vector<double> alphas, betas, first, second;
  for (const int64_t t : kept) {
    const double before = alphas.empty() ? 1 : alphas.back();
    alphas.push_back(all[static_cast<size_t>(t)]);
    betas.push_back(1 - alphas.back() / before);
    first.push_back(betas.back() * std::sqrt(before) / (1 - alphas.back()));
    second.push_back((1 - before) * std::sqrt(1 - betas.back()) / (1 - alphas.back()));
  }
  const auto compare = [&](const char* name, const std::vector<double>& values) {
    result.Compare(spec + " " + name, at::tensor(values, at::kDouble), Doubles(table.at(name)),
                   kTableTolerance);
  };
  compare("alphas_cumprod", alphas);
  compare("betas", betas);
  compare("posterior_mean_coef1", first);
  compare("posterior_mean_coef2", second);
}

}  // namespace

bool CheckRespacing(const nlohmann::json& item, Report::Case& result) {
  if (!item.is_array()) return false;
  for (const nlohmann::json& table : item) CheckTable(table, result);
  return true;
}

bool CheckRepaint(const nlohmann::json& item, const SafeTensors& record, Report::Case& result) {
  if (item.at("class") != "RePaintScheduler") return false;
  SamplerConfig config = SamplerConfig::From(Config(item.at("config"), item.at("name")));
  config.jump_length = item.at("set_timesteps").at("jump_length");
  config.jump_samples = item.at("set_timesteps").at("jump_n_sample");
  const RepaintSampler sampler(config, item.at("num_inference_steps"),
                               {record.Get("original_image"), record.Get("mask")});
  const at::Tensor samples = record.Get("samples");
  if (sampler.steps() != samples.size(0) - 1) throw Error("the sampler takes another number of steps");
  SampleState state;
  state.x = samples[0];
  state.noise = std::make_unique<OrderedNoise>(record.Get("noise"));
  Evaluator evaluator;
  for (; state.step < sampler.steps(); ++state.step) {
    Task step = sampler.Step(state, evaluator);
    for (step.Resume(); !step.done(); step.Resume()) {
      evaluator.Answer(FakeModel(item.at("fake_model"), evaluator.input(), evaluator.timestep()));
    }
    result.Compare("sample " + std::to_string(state.step), state.x, samples[state.step + 1], kTolerance);
  }
  return true;
}

bool CheckScoreSde(const nlohmann::json& item, const SafeTensors& record, Report::Case& result) {
  const bool exploding = item.at("class") == "ScoreSdeVeScheduler";
  if (!exploding && item.at("class") != "ScoreSdeVpScheduler") return false;
  const SamplerConfig config = SamplerConfig::From(Config(item.at("config"), item.at("name")));
  const auto sampler =
      MakeSampler(DefaultSamplerName(config), config, item.at("num_inference_steps").get<int64_t>());
  const double tolerance = std::max(kTolerance, kFloors * item.value("fp32_vs_fp64_max_rel_diff", 0.0));
  const at::Tensor samples = record.Get("samples");
  const at::Tensor means = record.Get("prev_sample_mean");
  const nlohmann::json& model = item.at("fake_model");

  // Both pictures of the record are one trajectory: the reference's correctors mix the norms of a batch.
  SampleState state;
  state.x = record.Get("x_init_unit") * sampler->initial_scale();
  state.noise = std::make_unique<OrderedNoise>(record.Get("noise"));
  Evaluator evaluator;
  int64_t call = 0;
  for (; state.step < sampler->steps(); ++state.step) {
    Task step = sampler->Step(state, evaluator);
    for (step.Resume(); !step.done(); step.Resume(), ++call) {
      const at::Tensor x = evaluator.input();
      if (exploding) {
        const double sigma = evaluator.timestep();
        evaluator.Answer((-0.5 * x) / (sigma * sigma + 1) + model.at("b").get<double>() *
                                                                at::sin(model.at("c").get<double>() * x) /
                                                                (sigma + 1));
      } else {
        // Recorded with time times 1000; networks of this kind were trained with time times 999.
        evaluator.Answer(FakeModel(model, x, evaluator.timestep() / 999 * 1000));
      }
    }
    const bool last = state.step + 1 == sampler->steps();  // ends with the mean
    result.Compare("sample " + std::to_string(state.step), state.x, last ? means[state.step] : samples[call],
                   tolerance);
  }
  return true;
}

}  // namespace mind::diffusion
