// formats/sde: score-based samplers in float64 on data whose score is known.
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr double kTolerance = 1e-9;  // golden README: float64

// A network that answers at its noise level.
using Network = std::function<at::Tensor(const at::Tensor& x, double timestep)>;

SamplerConfig ConfigOf(const nlohmann::json& index) {
  SamplerConfig config;
  config.form = NetworkForm::kContinuous;
  config.double_precision = true;
  config.beta_min = index.at("beta_min");
  config.beta_max = index.at("beta_max");
  config.time_end = index.at("eps");
  return config;
}

// The exact noise prediction for N(mean, deviation²).
Network GaussianNetwork(const SamplerConfig& config, double mean, double deviation) {
  const ContinuousPath path(config);
  return [path, mean, deviation](const at::Tensor& x, double timestep) {
    const NoiseLevel level = path.At(timestep / path.At(1).timestep);
    const double a = level.alpha, s = level.sigma;
    return s * (x - a * mean) / (a * a * deviation * deviation + s * s);
  };
}

// Runs a sampler to its end, calling `after` after every step. Returns the number of evaluations.
int64_t Run(
    const Sampler& sampler, SampleState& state, const Network& network,
    const std::function<void()>& after = [] {}) {
  Evaluator evaluator;
  int64_t evaluations = 0;
  for (; state.step < sampler.steps(); ++state.step) {
    Task step = sampler.Step(state, evaluator);
    for (step.Resume(); !step.done(); step.Resume(), ++evaluations) {
      evaluator.Answer(network(evaluator.input(), evaluator.timestep()));
    }
    after();
  }
  return evaluations;
}

void CheckRungeKutta(const nlohmann::json& index, const nlohmann::json& item, const SafeTensors& record,
                     Report::Case& result) {
  const SamplerConfig config = ConfigOf(index);
  // All samples are one trajectory, as the reference solved them.
  const auto sampler =
      MakeSampler("ode_rk45", config, 5,
                  {{"relative_tolerance", 1e-5}, {"absolute_tolerance", 1e-5}, {"denoise_at_end", false}});
  SampleState state;
  state.x = record.Get("x_T").clone();
  const int64_t evaluations =
      Run(*sampler, state, GaussianNetwork(config, index.at("mean"), index.at("std")));
  result.Compare("x", state.x, record.Get("x_eps"), kTolerance);
  result.ExpectEqual("evaluations", {evaluations}, {item.at("nfev").get<int64_t>()});
}

void CheckReverseSde(const nlohmann::json& index, const nlohmann::json& item, const SafeTensors& record,
                     Report::Case& result) {
  const SamplerConfig config = ConfigOf(index);
  const std::string predictor = item.at("predictor"), corrector = item.at("corrector");
  const auto sampler =
      MakeSampler("pc", config, item.at("N"),
                  {{"predictor", std::string(predictor == "ReverseDiffusionPredictor" ? "reverse_diffusion"
                                             : predictor == "EulerMaruyamaPredictor"  ? "euler_maruyama"
                                                                                      : "ancestral")},
                   {"corrector_steps", item.at("corrector_steps").get<double>()},
                   {"annealed_corrector", corrector == "AnnealedLangevinDynamics"},
                   {"snr", item.at("snr").get<double>()}});
  SampleState state;
  state.x = record.Get("x_T").clone();
  state.noise = std::make_unique<OrderedNoise>(record.Get("noise"));
  const at::Tensor after = record.Get("x_after_predictor");
  Run(*sampler, state, GaussianNetwork(config, index.at("mean"), index.at("std")), [&] {
    if (state.step + 1 < sampler->steps()) {
      result.Compare("x after step " + std::to_string(state.step), state.x, after[state.step], kTolerance);
    }
  });
  result.Compare("sample", state.x, record.Get("sample"), kTolerance);
}

void CheckAdaptive(const nlohmann::json& index, const nlohmann::json& item, const SafeTensors& record,
                   Report::Case& result) {
  const SamplerConfig config = ConfigOf(index);
  const auto sampler = MakeSampler("adaptive_sde", config, 7,
                                   {{"relative_tolerance", item.at("reltol").get<double>()},
                                    {"absolute_tolerance", item.at("abstol").get<double>()},
                                    {"first_step", item.at("h_init").get<double>()}});
  const at::Tensor start = record.Get("x_T");
  for (int64_t row = 0; row < start.size(0); ++row) {
    SampleState state;
    state.x = start[row].clone();
    state.noise = std::make_unique<OrderedNoise>(record.Get("z").select(1, row));
    Run(*sampler, state, GaussianNetwork(config, item.at("data_mean"), item.at("data_std")));
    result.Compare("sample " + std::to_string(row), state.x, record.Get("sample")[row], kTolerance);
  }
}

void CheckLangevin(const nlohmann::json& item, const SafeTensors& record, Report::Case& result) {
  SamplerConfig config;
  config.form = NetworkForm::kExploding;
  config.class_name = "ScoreSdeVeScheduler";
  config.sigma_min = item.at("sigma_min");
  config.sigma_max = item.at("sigma_max");
  const auto sampler = MakeSampler("annealed_langevin", config, item.at("num_sigmas"),
                                   {{"langevin_steps", item.at("steps_per_sigma").get<double>()},
                                    {"langevin_rate", item.at("step_lr").get<double>()}});
  const double component = item.at("component_std");
  const Network score = [&](const at::Tensor& x, double sigma) {
    const double variance = component * component + sigma * sigma;
    at::Tensor weights = at::zeros({x.size(0), 1}, x.options()), pull = at::zeros_like(x);
    for (size_t k = 0; k < item.at("means").size(); ++k) {
      const at::Tensor away = at::tensor(item.at("means")[k].get<std::vector<double>>(), at::kDouble) - x;
      const at::Tensor weight = item.at("weights")[k].get<double>() *
                                at::exp(away.square().sum(1, /*keepdim=*/true) / (-2 * variance));
      weights = weights + weight;
      pull = pull + weight * away / variance;
    }
    return pull / weights;
  };
  SampleState state;
  state.x = record.Get("x_init").clone();
  state.noise = std::make_unique<OrderedNoise>(record.Get("noise").flatten(0, 1));
  const at::Tensor after = record.Get("x_after_each_sigma");
  Run(*sampler, state, score, [&] {
    if (state.step + 1 < sampler->steps()) {
      result.Compare("x after level " + std::to_string(state.step), state.x, after[state.step], kTolerance);
    }
  });
  result.Compare("sample", state.x, record.Get("sample_denoised"), kTolerance);
}

}  // namespace

void RunSdeCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "formats" / "sde";
  if (!std::filesystem::exists(folder)) return;
  const nlohmann::json index = ReadGoldenJson(folder / "index.json");
  for (const auto& item : index.at("cases")) {
    const std::string file = item.at("file");
    const std::string name = std::filesystem::path(file).replace_extension().string();
    if (name.find(options.filter) == std::string::npos) continue;
    report.Run(name, [&](Report::Case& result) {
      const SafeTensors record = SafeTensors::Open((options.directory / "formats" / file).string());
      if (record.Has("t_steps")) {
        CheckRungeKutta(index, item, record, result);
      } else if (record.Has("x_after_predictor")) {
        CheckReverseSde(index, item, record, result);
      } else if (record.Has("z")) {
        CheckAdaptive(index, item, record, result);
      } else {
        CheckLangevin(item, record, result);
      }
    });
  }
}

}  // namespace mind::diffusion
