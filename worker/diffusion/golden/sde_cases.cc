// formats/sde: score-based samplers in float64 on data whose score is known.
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kFloat64Tolerance = 1e-9;  // golden README: float64
constexpr double kTimeRounding = 1e-12;     // steps of less do not count

SamplerConfig SdeConfigOf(const nlohmann::json& index) {
  SamplerConfig config;
  config.form = NetworkForm::kContinuous;
  config.double_precision = true;
  config.beta_min = index.at("beta_min");
  config.beta_max = index.at("beta_max");
  config.time_end = index.at("eps");
  return config;
}

// The exact noise prediction for N(mean, deviation²).
Evaluate GaussianNetwork(const SamplerConfig& config, double mean, double deviation) {
  const ContinuousPath path(config);
  return [path, mean, deviation](const at::Tensor& x, double timestep) {
    const NoiseLevel level = path.At(timestep / path.At(1).timestep);
    const double a = level.alpha, s = level.sigma;
    return s * (x - a * mean) / (a * a * deviation * deviation + s * s);
  };
}

// What a sampler asked about, in order.
struct Asked {
  std::vector<at::Tensor> x;
  std::vector<double> time;  // 1 … 0

  // The network, its timesteps being times `scale`.
  Evaluate Of(const Evaluate& network, double scale) {
    return [this, network, scale](const at::Tensor& input, double timestep) {
      x.push_back(input);
      time.push_back(timestep / scale);
      return network(input, timestep);
    };
  }
};

void CompareNumber(Report::Case& result, const std::string& what, double ours, const at::Tensor& theirs) {
  result.Compare(what, at::full({}, ours, at::kDouble), theirs, kFloat64Tolerance);
}

void CheckRungeKutta(const nlohmann::json& index, const nlohmann::json& item, const Record& record,
                     Report::Case& result) {
  constexpr double kSolverTolerance = 1e-4;  // formats/README: of a solver against the closed form
  const SamplerConfig config = SdeConfigOf(index);
  const ContinuousPath path(config);
  // All samples are one trajectory, as the reference solved them.
  const auto sampler =
      MakeSampler("ode_rk45", config, 5,
                  {{"relative_tolerance", 1e-5}, {"absolute_tolerance", 1e-5}, {"denoise_at_end", false}});
  SampleState state;
  state.x = record.Get("x_T").clone();
  const Evaluate network = GaussianNetwork(config, index.at("mean"), index.at("std"));
  Asked asked;
  const int64_t evaluations = RunToEnd(*sampler, state, asked.Of(network, path.At(1).timestep));
  result.Compare("x", state.x, record.Get("x_eps"), kFloat64Tolerance);
  result.Compare("x in closed form", state.x, record.Get("x_eps_closed_form"), kSolverTolerance);
  result.ExpectEqual("evaluations", {evaluations}, {item.at("nfev").get<int64_t>()});

  const double beta = path.Diffusion(1);
  const NoiseLevel noisiest = path.At(1);
  const at::Tensor score = network(record.Get("x_T"), noisiest.timestep) * (-1 / noisiest.sigma);
  result.Compare("drift", -beta / 2 * (record.Get("x_T") + score), record.Get("drift_at_T"),
                 kFloat64Tolerance);

  // Every accepted step ends with a question about where it ended.
  const at::Tensor times = record.Get("t_steps"), steps = record.Get("x_steps");
  size_t next = 0;
  for (int64_t k = 0; k < times.numel(); ++k) {
    const double time = times[k].item<double>();
    while (next < asked.time.size() && !(std::abs(asked.time[next] - time) < 1e-9)) ++next;
    if (next == asked.time.size()) throw Error("no step ends at time " + std::to_string(time));
    // A stage of a step lies at the step's end as well; the end itself is asked about after it.
    while (next + 1 < asked.time.size() && std::abs(asked.time[next + 1] - time) < 1e-9) ++next;
    result.Compare("x of step " + std::to_string(k), asked.x[next], steps[k], kFloat64Tolerance);
  }
}

void CheckReverseSde(const nlohmann::json& index, const nlohmann::json& item, const Record& record,
                     Report::Case& result) {
  const SamplerConfig config = SdeConfigOf(index);
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
  auto noise = std::make_unique<OrderedNoise>(record.Get("noise"));
  const OrderedNoise& draws = *noise;
  state.noise = std::move(noise);
  const at::Tensor predicted = record.Get("x_after_predictor"), times = record.Get("timesteps");
  const Evaluate network = GaussianNetwork(config, index.at("mean"), index.at("std"));
  Asked asked;
  const int64_t evaluations =
      RunToEnd(*sampler, state, asked.Of(network, ContinuousPath(config).At(1).timestep), [&] {
        const int64_t step = state.step - 1;
        const std::string number = std::to_string(step);
        CompareNumber(result, "time of step " + number, asked.time.back(), times[step]);
        // The predictor's question, the last of a step, is about what the corrector made.
        if (record.Has("x_after_corrector"))
          result.Compare("corrected " + number, asked.x.back(), record.Get("x_after_corrector")[step],
                         kFloat64Tolerance);
        if (state.step < sampler->steps())
          result.Compare("x after step " + number, state.x, predicted[step], kFloat64Tolerance);
      });
  result.Compare("sample", state.x, record.Get("sample"), kFloat64Tolerance);
  result.ExpectEqual("evaluations", {evaluations},
                     {sampler->steps() * (1 + item.at("corrector_steps").get<int64_t>())});
  draws.ExpectAllUsed(/*idle=*/1);  // the reference draws for its last step, and ends with the mean
}

// Every attempt of one sample: where it began, how far it went, whether it was accepted.
void CheckAttempts(const Asked& asked, int64_t row, int64_t attempts, const Record& record,
                   Report::Case& result) {
  const auto of = [&](const char* name, int64_t attempt) { return record.Get(name)[attempt][row]; };
  // An attempt asks where it would end; the first of a step, before that, where it begins.
  size_t next = 0;
  for (int64_t k = 0; k < attempts; ++k) {
    const std::string number = std::to_string(row) + ", attempt " + std::to_string(k);
    const double begins = of("t", k).item<double>();
    if (k == 0 || of("accept", k - 1).item<bool>()) {
      CompareNumber(result, "t of " + number, asked.time.at(next), of("t", k));
      // Recorded is what an attempt leaves behind.
      result.Compare("x of " + number, asked.x.at(next++), k == 0 ? record.Get("x_T")[row] : of("x", k - 1),
                     kFloat64Tolerance);
    }
    CompareNumber(result, "h of " + number, begins - asked.time.at(next++), of("h", k));
    if (k + 1 == attempts) break;
    // What the next one begins with shows what became of this.
    result.Compare("t after " + number, of("t_new", k), of("t", k + 1), kFloat64Tolerance);
    result.Compare("h after " + number, of("h_new", k), of("h", k + 1), kFloat64Tolerance);
  }
  result.Compare("x before the last", asked.x.at(next), record.Get("x_before_denoise")[row],
                 kFloat64Tolerance);
  result.ExpectEqual("evaluations of " + std::to_string(row), {static_cast<int64_t>(asked.x.size())},
                     {static_cast<int64_t>(next) + 1});
}

void CheckAdaptive(const nlohmann::json& index, const nlohmann::json& item, const Record& record,
                   Report::Case& result) {
  const SamplerConfig config = SdeConfigOf(index);
  const auto sampler = MakeSampler("adaptive_sde", config, 7,
                                   {{"relative_tolerance", item.at("reltol").get<double>()},
                                    {"absolute_tolerance", item.at("abstol").get<double>()},
                                    {"first_step", item.at("h_init").get<double>()}});
  const at::Tensor start = record.Get("x_T"), sizes = record.Get("h");
  for (int64_t row = 0; row < start.size(0); ++row) {
    // The reference goes on drawing for a sample that is done, while others are not.
    const int64_t attempts = (sizes.select(1, row) > kTimeRounding).sum().item<int64_t>();
    SampleState state;
    state.x = start[row].clone();
    auto noise = std::make_unique<OrderedNoise>(record.Get("z").select(1, row).slice(0, 0, attempts));
    const OrderedNoise& draws = *noise;
    state.noise = std::move(noise);
    Asked asked;
    RunToEnd(*sampler, state,
             asked.Of(GaussianNetwork(config, item.at("data_mean"), item.at("data_std")),
                      ContinuousPath(config).At(1).timestep));
    result.Compare("sample " + std::to_string(row), state.x, record.Get("sample")[row], kFloat64Tolerance);
    draws.ExpectAllUsed();
    CheckAttempts(asked, row, attempts, record, result);
  }
}

// Of a mixture of Gaussians with noise of this deviation on it.
Evaluate MixtureScore(const nlohmann::json& item) {
  return [&item](const at::Tensor& x, double sigma) {
    const double component = item.at("component_std");
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
}

void CheckLangevin(const nlohmann::json& item, const Record& record, Report::Case& result) {
  SamplerConfig config;
  config.form = NetworkForm::kExploding;
  config.class_name = "ScoreSdeVeScheduler";
  config.sigma_min = item.at("sigma_min");
  config.sigma_max = item.at("sigma_max");
  const double last = *config.sigma_min, step_lr = item.at("step_lr");
  const auto sampler = MakeSampler("annealed_langevin", config, item.at("num_sigmas"),
                                   {{"langevin_steps", item.at("steps_per_sigma").get<double>()},
                                    // step_lr·(sigma/last)² is our rate·sigma²
                                    {"langevin_rate", step_lr / (last * last)}});
  const Evaluate score = MixtureScore(item);
  const at::Tensor sigmas = record.Get("sigmas");
  // "score_at_sigma2": at that one of the levels.
  for (const auto& [level, expected] : record.Under("score_check.score_at_sigma")) {
    const double sigma = sigmas[std::stoll(level)].item<double>();
    result.Compare("score", score(record.Get("score_check.x"), sigma), expected, kFloat64Tolerance);
  }
  SampleState state;
  state.x = record.Get("x_init").clone();
  auto noise = std::make_unique<OrderedNoise>(record.Get("noise").flatten(0, 1));
  const OrderedNoise& draws = *noise;
  state.noise = std::move(noise);
  const at::Tensor after = record.Get("x_after_each_sigma");
  for (int64_t step = 0; step < sampler->steps(); ++step)
    CompareNumber(result, "sigma " + std::to_string(step), sampler->LevelOf(step).sigma, sigmas[step]);
  Asked asked;
  const int64_t evaluations = RunToEnd(*sampler, state, asked.Of(score, 1), [&] {
    const int64_t level = state.step - 1;
    // The last is left once more to be denoised.
    result.Compare("x after level " + std::to_string(level),
                   state.step < sampler->steps() ? state.x : asked.x.back(), after[level], kFloat64Tolerance);
  });
  result.Compare("sample", asked.x.back(), record.Get("sample"), kFloat64Tolerance);
  result.Compare("denoised", state.x, record.Get("sample_denoised"), kFloat64Tolerance);
  result.ExpectEqual("evaluations", {evaluations},
                     {sampler->steps() * item.at("steps_per_sigma").get<int64_t>() + 1});
  draws.ExpectAllUsed();
}

}  // namespace

void RunSdeCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "formats" / "sde";
  if (!std::filesystem::exists(folder / "index.json")) return;
  const nlohmann::json index = ReadGoldenJson(folder / "index.json");
  for (const auto& item : index.at("cases")) {
    const std::string file = item.at("file");
    const std::string name = std::filesystem::path(file).replace_extension().string();
    if (!options.Wants(name)) continue;
    report.Run(name, [&](Report::Case& result) {
      const Record& record = result.Open(options.directory / "formats" / file);
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
