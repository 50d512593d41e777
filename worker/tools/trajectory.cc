// mind-trajectory: finds out at which noise levels a model learnt what, by trying it on pictures it made
// itself, and writes sampler_tables.json into its directory: the training steps that are best to visit when
// there are only few (spacing "optimal"), and the errors that the sampler analytic_dpm needs.
#include <cstdio>
#include <fstream>

#include "proto/support/command_line.h"
#include "worker/diffusion/blas.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/sampler_tables.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/optimal_timesteps.h"
#include "worker/diffusion/samplers/parametrization.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace {

using namespace mind::diffusion;

constexpr double kPrecision = 1e7;  // of the numbers in the file

struct Options {
  std::string model;
  int64_t max_steps = 50, samples = 32, levels = 64;
  std::string prompts;
  uint64_t seed = 0;
  at::Device device = at::kCPU;
};

std::vector<std::string> ReadPrompts(const std::string& path) {
  if (path.empty()) return {""};
  std::ifstream file(path);
  if (!file) throw Error(path + ": missing or unreadable");
  std::vector<std::string> prompts;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) prompts.push_back(line);
  }
  if (prompts.empty()) throw Error(path + ": no prompts in it; one a line is wanted");
  return prompts;
}

// What one noise level has shown.
struct Measured {
  int64_t timestep = 0;
  double x0_error = 0;  // |x0 - estimate|² / dimensions, summed over the samples
};

class Measurement {
 public:
  Measurement(const Pipeline& pipeline, const Options& options)
      : pipeline_(pipeline),
        config_(pipeline.sampler_config()),
        alphas_(AlphasCumprod(config_)),
        prompts_(ReadPrompts(options.prompts)) {
    for (int64_t i = 0; i < options.levels; ++i) {
      levels_.push_back({.timestep = i * (config_.train_steps - 1) / (options.levels - 1)});
    }
  }

  void AddSample(uint64_t seed) {
    SampleState state;
    const at::Tensor x0 = MakeSample(seed, state);
    // Without guidance: the bound is the model's own, not the guided one's.
    const Conditioning plain = Condition(seed, /*guidance=*/1);
    for (Measured& level : levels_) {
      const NoiseLevel noised = NoiseLevel::Preserving(alphas_[static_cast<size_t>(level.timestep)],
                                                       static_cast<double>(level.timestep));
      const at::Tensor x = noised.alpha * x0 + noised.sigma * state.noise->DrawLike(x0);
      const Denoised estimate = Estimate(
          config_, EvaluateAlone(pipeline_.denoiser(), plain, x, LevelTold(config_, noised)), x, noised);
      level.x0_error += (x0 - estimate.x0).square().mean().item<double>();
    }
    ++samples_;
  }

  SamplerTables Tables(int64_t max_steps) const {
    const double n = static_cast<double>(samples_);
    std::vector<Candidate> candidates;
    for (const Measured& level : levels_) {
      const double a = alphas_[static_cast<size_t>(level.timestep)];
      candidates.push_back({level.timestep, a / (1 - a), level.x0_error / n});
    }
    SamplerTables tables;
    tables.optimal_timesteps = OptimalTimesteps(candidates, max_steps);
    for (int64_t t = 0; t < config_.train_steps; ++t) {  // linear between the levels tried
      const double position = static_cast<double>(t) * static_cast<double>(levels_.size() - 1) /
                              static_cast<double>(config_.train_steps - 1);
      const size_t low = std::min(static_cast<size_t>(position), levels_.size() - 2);
      const double weight = position - static_cast<double>(low);
      const double error = levels_[low].x0_error * (1 - weight) + levels_[low + 1].x0_error * weight;
      tables.x0_errors.push_back(static_cast<double>(std::round(error / n * kPrecision)) / kPrecision);
    }
    return tables;
  }

 private:
  Conditioning Condition(uint64_t seed, double guidance) const {
    PictureRequest request;
    if (pipeline_.info().takes_prompt) request.prompt = prompts_[seed % prompts_.size()];
    request.guidance = guidance;
    const ModelInfo& info = pipeline_.info();
    return pipeline_.Condition(request, pipeline_.LatentShape(info.default_width, info.default_height));
  }

  // A picture of the model's own, in the space it denoises in.
  at::Tensor MakeSample(uint64_t seed, SampleState& state) const {
    const ModelInfo& info = pipeline_.info();
    const auto sampler = MakeSampler(info.default_sampler, config_, info.default_steps);
    const Conditioning conditioning = Condition(seed, info.default_guidance);
    state.noise = std::make_unique<SeededNoise>(seed);
    const std::vector<int64_t> shape = pipeline_.LatentShape(info.default_width, info.default_height);
    state.x = state.noise->Draw(shape).to(pipeline_.device()) * sampler->initial_scale();
    RunToEnd(*sampler, state, [&](const at::Tensor& input, double timestep) {
      return EvaluateAlone(pipeline_.denoiser(), conditioning, input, timestep);
    });
    return state.x;
  }

  const Pipeline& pipeline_;
  const SamplerConfig config_;
  const std::vector<double> alphas_;
  const std::vector<std::string> prompts_;
  std::vector<Measured> levels_;
  int64_t samples_ = 0;
};

void Run(const Options& options) {
  const c10::InferenceMode inference;
  const auto pipeline = LoadPipeline(options.model, {.device = options.device});
  const SamplerConfig& config = pipeline->sampler_config();
  if (config.form != NetworkForm::kDiscrete) {
    throw Error(options.model + ": only models with discrete training steps have timesteps to choose from");
  }
  if (options.levels > config.train_steps || options.max_steps > options.levels) {
    throw Error("--steps must be at most --levels, and --levels at most the model's " +
                std::to_string(config.train_steps) + " training steps");
  }
  Measurement measurement(*pipeline, options);
  for (int64_t i = 0; i < options.samples; ++i) {
    measurement.AddSample(options.seed + static_cast<uint64_t>(i));
    std::fprintf(stderr, "\rsample %ld of %ld", static_cast<long>(i + 1), static_cast<long>(options.samples));
  }
  std::fprintf(stderr, "\n");
  const SamplerTables tables = measurement.Tables(options.max_steps);
  const std::string path = options.model + "/" + SamplerTables::kFileName;
  tables.Write(path);
  std::printf("%s\n", path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  mind::ChooseBlasKernels(argv);
  CLI::App app("Finds the best timesteps of a model, and how well it sees at each.");
  mind::SetUpCommandLine(app);
  Options options;
  mind::AddText(app, "MODEL", options.model, "DIR", "The model; sampler_tables.json is written into it")
      ->required();
  mind::AddNumber<int64_t>(app, "--steps", options.max_steps, 2, 1000,
                           "Largest step count to find timesteps for");
  mind::AddNumber<int64_t>(app, "--samples", options.samples, 1, 100'000, "Pictures to try the model on");
  mind::AddNumber<int64_t>(app, "--levels", options.levels, 2, 1000, "Noise levels to try it at");
  mind::AddText(app, "--prompts", options.prompts, "FILE", "A prompt a line; if left out, the empty prompt");
  mind::AddNumber<uint64_t>(app, "--seed", options.seed, 0, std::numeric_limits<uint64_t>::max(),
                            "Of the first picture");
  const auto device = [&options](const std::string& name) -> std::string {
    try {
      options.device = at::Device(name);
      return "";
    } catch (const c10::Error&) {
      return name + ": not a device; allowed: cpu, cuda:N";
    }
  };
  mind::AddFlag(app, "--device", "DEVICE", device, "cpu or cuda:N")->default_str("cpu");
  mind::ParseCommandLine(app, argc, argv);
  try {
    Run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mind-trajectory: %s\n", e.what());
    return 1;
  }
  return 0;
}
