// schedulers/*.json: a sampler on a closed-form model, every input it asks about and every step's result.
// Each row of a recorded batch is run as a trajectory of its own.
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/sampler_forms.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/samplers/ddim.h"
#include "worker/diffusion/samplers/dpm_solver_multistep.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr double kTolerance = 1e-5;
constexpr double kFloors = 20;  // golden README: where 20 times a case's own noise floor is more, that

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

namespace {

SamplerConfig ConfigOf(const nlohmann::json& item, const std::string& name) {
  SamplerConfig config = SamplerConfig::From(Config(item.at("config"), name));
  config.class_name = item.at("class");
  const nlohmann::json& step = item.at("step_kwargs");
  const nlohmann::json& set = item.at("set_timesteps");
  config.eta = step.value("eta", config.eta);
  config.use_clipped_output = step.value("use_clipped_model_output", config.use_clipped_output);
  config.churn = step.value("s_churn", config.churn);
  config.churn_min = step.value("s_tmin", config.churn_min);
  config.churn_max = std::min(step.value("s_tmax", config.churn_max), config.churn_max);
  config.noise_scale = step.value("s_noise", config.noise_scale);
  config.custom_timesteps = set.value("timesteps", config.custom_timesteps);
  config.custom_sigmas = set.value("sigmas", config.custom_sigmas);
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
  SamplerCase(const nlohmann::json& item, const SafeTensors& record, at::Device device)
      : item_(item),
        record_(record),
        device_(device),
        tolerance_(std::max(kTolerance, kFloors * item.value("fp32_vs_fp64_max_rel_diff", 0.0))) {
    const std::string name = item.at("name");
    const SamplerConfig config = ConfigOf(item, name);
    const auto& count = item.at("num_inference_steps");
    const int64_t steps = !count.is_null() ? count.get<int64_t>()
                          : !config.custom_timesteps.empty()
                              ? static_cast<int64_t>(config.custom_timesteps.size())
                              : static_cast<int64_t>(config.custom_sigmas.size()) - 1;
    sampler_ = SamplerOf(config, steps);
  }

  void CheckRow(int64_t row, Report::Case& result) const {
    const at::Tensor samples = record_.Get("samples").select(1, row);
    const at::Tensor inputs = record_.Get("model_inputs").select(1, row);
    const at::Tensor timesteps = record_.Get("timesteps").to(at::kDouble);
    const double scale = samples.abs().max().item<double>();

    SampleState state;
    auto noise = std::make_unique<RecordedNoise>();
    RecordedNoise& recorded = *noise;
    if (record_.Has("noise")) {
      const at::Tensor steps = record_.Get("noise_step");
      at::Tensor draws = record_.Get("noise").select(1, row);
      if (item_.at("class") == "DPMSolverSDEScheduler") draws = BrownianDraws(draws, record_.Get("sigmas"));
      for (int64_t k = 0; k < steps.numel(); ++k) recorded.Record(steps[k].item<int64_t>(), draws[k]);
    }
    state.noise = std::move(noise);
    const at::Tensor unit = record_.Get("x_init_unit")[row].to(device_);
    state.step = item_.at("t_start").get<int64_t>();
    state.x = state.step > 0 ? 3 * unit : unit * sampler_->initial_scale();

    Evaluator evaluator;
    int64_t call = 0;
    while (call < inputs.size(0)) {
      Task step = sampler_->Step(state, evaluator);
      step.Resume();
      while (!step.done() && call < inputs.size(0)) {
        const double t = timesteps[std::min(call, timesteps.numel() - 1)].item<double>();
        result.Compare("timestep " + std::to_string(call), at::tensor(evaluator.timestep() + 1000),
                       at::tensor(t + 1000), 1e-6);
        result.Compare("input " + std::to_string(call), evaluator.input(), inputs[call], tolerance_);
        recorded.set_step(call++);
        evaluator.Answer(FakeModel(item_.at("fake_model"), evaluator.input(), evaluator.timestep()));
        step.Resume();
      }
      if (!step.done()) return;
      ++state.step;
      // Relative to the whole trajectory's largest value: late samples can be small.
      result.Compare("sample " + std::to_string(call), state.x / scale + 1, samples[call] / scale + 1,
                     tolerance_);
    }
    if (item_.at("limit").is_null() && state.step != sampler_->steps())
      throw Error("the sampler has steps left");
  }

  int64_t rows() const { return record_.Get("samples").size(1); }

 private:
  const nlohmann::json& item_;
  const SafeTensors& record_;
  at::Device device_;
  double tolerance_;
  std::unique_ptr<const Sampler> sampler_;
};

}  // namespace

void RunSamplerCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "schedulers";
  if (!std::filesystem::exists(folder)) return;
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json" && entry.path().stem() != "index") files.insert(entry.path());
  }
  for (const std::filesystem::path& file : files) {
    const std::string name = "schedulers/" + file.stem().string();
    if (name.find(options.filter) == std::string::npos) continue;
    report.Run(name, [&](Report::Case& result) {
      const nlohmann::json item = ReadGoldenJson(file);
      if (CheckRespacing(item, result)) return;
      std::filesystem::path data = file;
      const SafeTensors record = SafeTensors::Open(data.replace_extension(".safetensors").string());
      if (CheckRepaint(item, record, result) || CheckScoreSde(item, record, result)) return;
      const SamplerCase sampler_case(item, record, options.device);
      for (int64_t row = 0; row < sampler_case.rows(); ++row) sampler_case.CheckRow(row, result);
    });
  }
}

}  // namespace mind::diffusion
