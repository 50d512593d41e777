// schedulers/*.json: a sampler on a closed-form model: its noise levels, every input it asks about, every
// step's result. Each row of a recorded batch is run as a trajectory of its own.
#include <cmath>
#include <optional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/sampler_forms.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/trajectory_case.h"
#include "worker/diffusion/samplers/ddim.h"
#include "worker/diffusion/samplers/dpm_solver_multistep.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/parametrization.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kTableTolerance = 1e-5;  // golden README: of tables and levels

SamplerConfig ConfigOf(const nlohmann::json& item, const std::string& name) {
  SamplerConfig config = SamplerConfig::From(Config(item.at("config"), name));
  const nlohmann::json& step = item.at("step_kwargs");
  const nlohmann::json& set = item.at("set_timesteps");
  for (const auto& [key, value] : set.items()) {
    if (key == "mu") {
      config.flow.base_shift = config.flow.max_shift = value;
    } else if (key == "sigmas" && value.is_string()) {
      config.flow.SpaceBySteps();  // in words, the levels of pipelines
    } else if (!value.is_array()) {
      throw UnsupportedError("set_timesteps with " + key + " = " + value.dump());
    }
  }
  config.eta = step.value("eta", config.eta);
  config.use_clipped_output = step.value("use_clipped_model_output", config.use_clipped_output);
  config.churn = step.value("s_churn", config.churn);
  config.churn_min = step.value("s_tmin", config.churn_min);
  config.churn_max = std::min(step.value("s_tmax", config.churn_max), config.churn_max);
  config.noise_scale = step.value("s_noise", config.noise_scale);
  config.custom_timesteps = set.value("timesteps", config.custom_timesteps);
  if (set.contains("sigmas") && set.at("sigmas").is_array()) {
    config.custom_sigmas = set.at("sigmas").get<std::vector<double>>();
    if (config.form == NetworkForm::kFlow) config.custom_sigmas.push_back(0);  // the reference adds it
  }
  return config;
}

// The sampler of a case's class, those that only serve pictures to start from included.
std::unique_ptr<const Sampler> SamplerOf(const SamplerConfig& config, int64_t steps) {
  if (config.class_name == "DDIMInverseScheduler") return std::make_unique<DdimInverseSampler>(config, steps);
  if (config.class_name == "DPMSolverMultistepInverseScheduler") {
    return std::make_unique<DpmSolverInverseSampler>(config, steps);
  }
  return MakeSampler(DefaultSamplerName(config), config, steps);
}

// DPMSolverSDE's record holds the normalised increments of the Brownian path from a step's start: to its
// middle, and to its end. Our sampler draws the second from the middle on.
at::Tensor BrownianDraws(const at::Tensor& increments, const at::Tensor& sigmas) {
  at::Tensor draws = increments.clone();
  for (int64_t k = 0; k + 1 < increments.size(0); k += 2) {
    const double from = sigmas[k].item<double>(), to = sigmas[k + 1].item<double>();
    const double middle = std::sqrt(from * to);
    draws[k + 1] = (increments[k + 1] * std::sqrt(from - to) - increments[k] * std::sqrt(from - middle)) /
                   std::sqrt(middle - to);
  }
  return draws;
}

class SamplerCase {
 public:
  SamplerCase(const nlohmann::json& item, const Record& record, at::Device device)
      : item_(item),
        record_(record),
        device_(device),
        config_(ConfigOf(item, item.at("name"))),
        tolerance_(SamplerTolerance(item)),
        first_step_(item.at("t_start")),
        calls_(record.Get(record.Has("model_inputs") ? "model_inputs" : "model_outputs").size(0)) {
    const auto& count = item.at("num_inference_steps");
    const int64_t steps = !count.is_null() ? count.get<int64_t>()
                          : !config_.custom_timesteps.empty()
                              ? static_cast<int64_t>(config_.custom_timesteps.size())
                              : static_cast<int64_t>(config_.custom_sigmas.size()) - 1;
    sampler_ = SamplerOf(config_, steps);
  }

  void Check(Report::Case& result) const {
    CheckTables(result);
    CheckNoising(result);
    for (int64_t row = 0; row < record_.Get("samples").size(1); ++row) CheckRow(row, result);
  }

 private:
  // What the network was trained on.
  void CheckTables(Report::Case& result) const {
    const auto compare = [&](const char* name, const std::vector<double>& ours) {
      if (record_.Has(name))
        result.Compare(name, at::tensor(ours, at::kDouble), record_.Get(name), kTableTolerance);
    };
    if (config_.form == NetworkForm::kDiscrete) {
      compare("betas", Betas(config_));
      compare("alphas_cumprod", AlphasCumprod(config_));
    } else if (config_.form == NetworkForm::kCosine) {
      // By which name iPNDM keeps the deviations of its levels.
      std::vector<double> deviations;
      for (int64_t step = 0; step <= sampler_->steps(); ++step)
        deviations.push_back(step < sampler_->steps() ? sampler_->LevelOf(step).sigma : 0);
      compare("betas", deviations);
    }
  }

  // Pictures with noise on them: at a level of the sampler's where it has one for the timestep, as a supplied
  // picture is taken up, else at the network's; and the velocity there.
  void CheckNoising(Report::Case& result) const {
    if (!record_.Has("add_noise_out")) return;
    const at::Tensor times = record_.Get("add_noise_timesteps").to(at::kDouble);
    const at::Tensor x0 = record_.Get("add_noise_x0"), noise = record_.Get("add_noise_noise");
    const at::Tensor noised = record_.Get("add_noise_out");
    for (int64_t row = 0; row < times.numel(); ++row) {
      const double time = times[row].item<double>();
      const std::optional<int64_t> step = StepAt(time);
      const bool exploding = sampler_->LevelOf(0).alpha == 1;
      // In the middle of a step nothing is taken up.
      if (exploding && !step) continue;
      const NoiseLevel level = step ? sampler_->LevelOf(*step) : TrainedLevel(static_cast<int64_t>(time));
      result.Compare("add_noise", NoisedTo(level, x0[row], noise[row]), noised[row], tolerance_);
      if (!record_.Has("get_velocity_out")) continue;
      // v0.30.3's Euler looks its velocity up by the number of the step.
      const bool by_step = item_.at("class") == "EulerDiscreteScheduler";
      const NoiseLevel there = TrainedLevel(by_step ? step.value() : static_cast<int64_t>(time));
      result.Compare("velocity", there.alpha * noise[row] - there.sigma * x0[row],
                     record_.Get("get_velocity_out")[row], tolerance_);
    }
  }

  std::optional<int64_t> StepAt(double timestep) const {
    for (int64_t step = 0; step < sampler_->steps(); ++step) {
      if (std::abs(LevelTold(config_, sampler_->LevelOf(step)) - timestep) < 1e-3) return step;
    }
    return std::nullopt;
  }
  NoiseLevel TrainedLevel(int64_t timestep) const {
    return NoiseLevel::Preserving(AlphasCumprod(config_).at(static_cast<size_t>(timestep)),
                                  static_cast<double>(timestep));
  }

  void CheckRow(int64_t row, Report::Case& result) const {
    const at::Tensor samples = record_.Get("samples").select(1, row);
    const double scale = samples.abs().max().item<double>();
    SampleState state;
    auto noise = NoiseOf(row);
    RecordedNoise& recorded = *noise;
    state.noise = std::move(noise);
    state.step = first_step_;
    state.x = BeginningOf(row, result).to(device_);

    int64_t call = 0;
    const Evaluate evaluate = [&](const at::Tensor& input, double timestep) {
      if (call == calls_)
        throw Error("the reference takes " + std::to_string(calls_) + " evaluations, we take more");
      CheckAsked(call, row, input, timestep, result);
      recorded.set_call(call);
      const at::Tensor output = FakeModel(item_.at("fake_model"), input, timestep);
      result.Compare("output " + std::to_string(call), output, record_.Get("model_outputs")[call][row],
                     tolerance_);
      ++call;
      return output;
    };
    const bool whole = item_.value("limit", nlohmann::json()).is_null();
    while (whole ? state.step < sampler_->steps() : call < calls_) {
      CheckLevel(state.step, call, result);
      TakeStep(*sampler_, state, evaluate);
      // Relative to the whole trajectory's largest value: late samples can be small.
      result.Compare("sample " + std::to_string(call), state.x / scale + 1, samples[call] / scale + 1,
                     tolerance_);
      if (call > 0 && record_.Has("pred_original_sample") && state.denoised.defined()) {
        result.Compare("x0 " + std::to_string(call), state.denoised,
                       record_.Get("pred_original_sample")[call - 1][row], tolerance_);
      }
    }
    if (call != calls_) {
      throw Error("the reference takes " + std::to_string(calls_) + " evaluations, we take " +
                  std::to_string(call));
    }
    recorded.ExpectAllUsed(calls_, IdleDrawsOf(item_.at("class")));
  }

  // What the first step begins with. Records of flows give it, and of those that begin in the middle what it
  // is made of.
  at::Tensor BeginningOf(int64_t row, Report::Case& result) const {
    if (record_.Has("x_init_unit")) {
      const at::Tensor unit = record_.Get("x_init_unit")[row];
      return first_step_ > 0 ? 3 * unit : unit * sampler_->initial_scale();
    }
    const at::Tensor first = record_.Get("samples")[0][row];
    if (first_step_ > 0) {
      result.Compare(
          "noised",
          NoisedTo(sampler_->LevelOf(first_step_), record_.Get("x0")[row], record_.Get("x_init_noise")[row]),
          first, tolerance_);
    }
    return first;
  }

  std::unique_ptr<RecordedNoise> NoiseOf(int64_t row) const {
    auto noise = std::make_unique<RecordedNoise>();
    if (!record_.Has("noise")) return noise;
    const at::Tensor calls = record_.Get("noise_step");
    at::Tensor draws = record_.Get("noise").select(1, row);
    if (draws.size(0) != calls.numel()) throw Error("\"noise\" and \"noise_step\" are of different length");
    if (item_.at("class") == "DPMSolverSDEScheduler") draws = BrownianDraws(draws, record_.Get("sigmas"));
    for (int64_t k = 0; k < calls.numel(); ++k) noise->Record(calls[k].item<int64_t>(), draws[k]);
    return noise;
  }

  void CheckAsked(int64_t call, int64_t row, const at::Tensor& input, double timestep,
                  Report::Case& result) const {
    const std::string number = std::to_string(call);
    const auto expect = [&](const char* name, int64_t index) {
      const at::Tensor times = record_.Get(name).to(at::kDouble);
      const double theirs = times[std::min(index, times.numel() - 1)].item<double>();
      result.Compare("timestep " + number, at::tensor(timestep + 1000), at::tensor(theirs + 1000), 1e-6);
    };
    const int64_t place = first_step_ * item_.at("order").get<int64_t>() + call;
    if (record_.Has("timesteps_full")) {
      expect("timesteps", call);
      expect("timesteps_full", place);
    } else {
      expect("timesteps", place);
    }
    if (record_.Has("model_inputs"))
      result.Compare("input " + number, input, record_.Get("model_inputs")[call][row], tolerance_);
  }

  // Where a step begins whose first call this is.
  void CheckLevel(int64_t step, int64_t call, Report::Case& result) const {
    if (!record_.Has("sigmas")) return;
    const at::Tensor sigmas = record_.Get("sigmas").to(at::kDouble);
    const int64_t index = first_step_ * item_.at("order").get<int64_t>() + call;
    const NoiseLevel level = sampler_->LevelOf(step);
    const bool flow = config_.form == NetworkForm::kFlow;
    const double ours = !flow ? level.sigma / level.alpha : config_.flow.inverted ? level.alpha : level.sigma;
    result.Compare("sigma " + std::to_string(call), at::tensor(ours),
                   at::tensor(sigmas[index].item<double>()), kTableTolerance);
  }

  const nlohmann::json& item_;
  const Record& record_;
  const at::Device device_;
  const SamplerConfig config_;
  const double tolerance_;
  const int64_t first_step_, calls_;
  std::unique_ptr<const Sampler> sampler_;
};

}  // namespace

void RunSamplerCases(const GoldenOptions& options, Report& report) {
  for (const std::filesystem::path& file : FilesIn(options.directory / "schedulers", ".json")) {
    const std::string name = "schedulers/" + file.stem().string();
    if (file.stem() == "index" || !options.Wants(name)) continue;
    report.Run(name, [&](Report::Case& result) {
      const nlohmann::json item = ReadGoldenJson(file);
      if (CheckRespacing(item, result)) return;
      std::filesystem::path data = file;
      const Record& record = result.Open(data.replace_extension(".safetensors"));
      if (CheckRepaint(item, record, result) || CheckScoreSde(item, record, result)) return;
      if (!record.Has("x_init_unit") && !record.Has("model_outputs"))
        throw UnsupportedError("a record that does not say what the sampler begins with");
      SamplerCase(item, record, options.device).Check(result);
    });
  }
}

}  // namespace mind::diffusion
