#include "worker/diffusion/golden/sampler_forms.h"

#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/repaint.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kFormTolerance = 1e-5;
constexpr double kFormsTableTolerance = 1e-9;  // float64
constexpr double kFloors = 20;  // golden README: where 20 times a case's own noise floor is more, that

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
                   kFormsTableTolerance);
  };
  compare("alphas_cumprod", alphas);
  compare("betas", betas);
  compare("posterior_mean_coef1", first);
  compare("posterior_mean_coef2", second);
}

}  // namespace

at::Tensor FakeModel(const nlohmann::json& model, const at::Tensor& x, double timestep) {
  const float t = static_cast<float>(timestep);
  const at::Tensor output = (model.at("a").get<double>() * x) * std::cos(t / 1000) +
                            model.at("b").get<double>() * at::sin(model.at("c").get<double>() * x);
  const nlohmann::json learned = model.value("learned_variance_channels", nlohmann::json());
  if (learned.is_null()) return output;
  const at::Tensor wave = at::sin(2 * x + t / 500);
  const at::Tensor variance = learned == "learned_range" ? 0.9 * wave : 0.02 * (1.1 + wave);
  return at::cat({output, variance}, x.dim() - 3);
}

double SamplerTolerance(const nlohmann::json& item) {
  return std::max(kFormTolerance, kFloors * item.value("fp32_vs_fp64_max_rel_diff", 0.0));
}

bool CheckRespacing(const nlohmann::json& item, Report::Case& result) {
  if (!item.is_array()) return false;
  for (const nlohmann::json& table : item) CheckTable(table, result);
  return true;
}

bool CheckRepaint(const nlohmann::json& item, const Record& record, Report::Case& result) {
  if (item.at("class") != "RePaintScheduler") return false;
  SamplerConfig config = SamplerConfig::From(Config(item.at("config"), item.at("name")));
  config.jump_length = item.at("set_timesteps").at("jump_length");
  config.jump_samples = item.at("set_timesteps").at("jump_n_sample");
  const RepaintSampler sampler(config, item.at("num_inference_steps"),
                               {record.Get("original_image"), record.Get("mask")});
  const double tolerance = SamplerTolerance(item);
  const at::Tensor samples = record.Get("samples"), outputs = record.Get("model_outputs");
  const at::Tensor kinds = record.Get("step_kind"), times = record.Get("timesteps");
  if (sampler.steps() != samples.size(0) - 1) throw Error("the sampler takes another number of steps");
  auto noise = std::make_unique<RecordedNoise>();
  RecordedNoise& recorded = *noise;
  const at::Tensor draws = record.Get("noise"), steps = record.Get("noise_step");
  for (int64_t k = 0; k < steps.numel(); ++k) recorded.Record(steps[k].item<int64_t>(), draws[k]);
  SampleState state;
  state.x = record.Get("x_init_unit") * sampler.initial_scale();
  state.noise = std::move(noise);
  std::vector<int64_t> asked;
  RunToEnd(
      sampler, state,
      [&](const at::Tensor& x, double timestep) {
        result.Compare("timestep", at::tensor(timestep + 1000),
                       at::tensor(times[state.step].item<double>() + 1000), 1e-6);
        const at::Tensor output = FakeModel(item.at("fake_model"), x, timestep);
        result.Compare("output", output, outputs[state.step], tolerance);
        asked.push_back(state.step);
        return output;
      },
      [&] {
        result.Compare("sample " + std::to_string(state.step), state.x, samples[state.step], tolerance);
        recorded.set_call(state.step);
      });
  std::vector<int64_t> steps_down;
  for (int64_t k = 0; k < kinds.numel(); ++k) {
    if (kinds[k].item<int64_t>() == 1) steps_down.push_back(k);
  }
  result.ExpectEqual("the steps that ask the network", asked, steps_down);
  recorded.ExpectAllUsed(sampler.steps(), Idle::kNone);
  return true;
}

namespace {

// The score that a record of ScoreSdeVeScheduler was made with.
at::Tensor FakeScore(const nlohmann::json& model, const at::Tensor& x, double sigma) {
  return (-0.5 * x) / (sigma * sigma + 1) +
         model.at("b").get<double>() * at::sin(model.at("c").get<double>() * x) / (sigma + 1);
}

// The levels a VE sampler visits: its sigmas, and the times they lie at.
void CheckExplodingLevels(const SamplerConfig& config, const Sampler& sampler, const Record& record,
                          Report::Case& result) {
  const at::Tensor sigmas = record.Get("sigmas"), table = record.Get("discrete_sigmas");
  const at::Tensor times = record.Get("timesteps");
  const double least = config.sigma_min.value(), range = config.sigma_max.value() / least;
  const int64_t steps = sampler.steps();
  for (int64_t step = 0; step < steps; ++step) {
    const double sigma = sampler.LevelOf(step).sigma;
    const auto compare = [&](const std::string& name, double ours, double theirs) {
      result.Compare(name + " " + std::to_string(step), at::tensor(ours), at::tensor(theirs), kFormTolerance);
    };
    compare("sigma", sigma, sigmas[step].item<double>());
    compare("time", std::log(sigma / least) / std::log(range) + 1, times[step].item<double>() + 1);
    // Evenly spaced in log sigma from the least to the most, whatever the times.
    const double even = static_cast<double>(steps - 1 - step) / static_cast<double>(steps - 1);
    compare("table", least * std::pow(range, even), table[steps - 1 - step].item<double>());
  }
}

}  // namespace

bool CheckScoreSde(const nlohmann::json& item, const Record& record, Report::Case& result) {
  const bool exploding = item.at("class") == "ScoreSdeVeScheduler";
  if (!exploding && item.at("class") != "ScoreSdeVpScheduler") return false;
  const SamplerConfig config = SamplerConfig::From(Config(item.at("config"), item.at("name")));
  const auto sampler =
      MakeSampler(DefaultSamplerName(config), config, item.at("num_inference_steps").get<int64_t>());
  const double tolerance = SamplerTolerance(item);
  const at::Tensor samples = record.Get("samples"), outputs = record.Get("model_outputs");
  const at::Tensor means = record.Get("prev_sample_mean");
  if (exploding) CheckExplodingLevels(config, *sampler, record, result);
  const int64_t calls = outputs.size(0);
  // Of VE, whether a call corrects (0) or predicts (1), and the call each draw was made in; VP draws in each.
  std::vector<int64_t> ends;
  for (int64_t call = 0; call < calls; ++call) {
    if (!exploding || record.Get("step_kind")[call].item<int64_t>() == 1) ends.push_back(call + 1);
  }
  auto noise = std::make_unique<RecordedNoise>();
  RecordedNoise& recorded = *noise;
  const at::Tensor draws = record.Get("noise");
  for (int64_t k = 0; k < draws.size(0); ++k)
    recorded.Record(exploding ? record.Get("noise_step")[k].item<int64_t>() : k, draws[k]);

  // Both pictures of the record are one trajectory: the reference's correctors mix the norms of a batch.
  SampleState state;
  state.x = record.Get("x_init_unit") * sampler->initial_scale();
  state.noise = std::move(noise);
  int64_t call = 0;
  std::vector<int64_t> ended;
  RunToEnd(
      *sampler, state,
      [&](const at::Tensor& x, double timestep) {
        if (call == calls)
          throw Error("the reference takes " + std::to_string(calls) + " evaluations, we take more");
        result.Compare("input " + std::to_string(call), x, samples[call], tolerance);
        // VP's is recorded with time times 1000; networks of this kind were trained with time times 999.
        if (!exploding) {
          const double time = record.Get("timesteps")[call].item<double>();
          result.Compare("timestep", at::tensor(timestep / 999 + 1), at::tensor(time + 1), kFormTolerance);
        }
        const at::Tensor output = exploding ? FakeScore(item.at("fake_model"), x, timestep)
                                            : FakeModel(item.at("fake_model"), x, timestep / 999 * 1000);
        result.Compare("output " + std::to_string(call), output, outputs[call], tolerance);
        recorded.set_call(call++);
        return output;
      },
      [&] {
        const bool last = state.step == sampler->steps();  // ends with the mean
        result.Compare("sample " + std::to_string(state.step), state.x,
                       last ? means[state.step - 1] : samples[call], tolerance);
        ended.push_back(call);
      });
  result.ExpectEqual("calls by the end of each step", ended, ends);
  recorded.ExpectAllUsed(calls, Idle::kLast);
  return true;
}

}  // namespace mind::diffusion
