// bench-device [--device cpu|cuda:N] [--precision fp32|tf32|bf16|fp16] [--network NAME] [--models DIR]
//
// What a device makes of a precision, by the engine's own ways of running rows:
//
//   1. steps of a published network at full size, random weights: seconds, rows a second, and how far a row's
//      answer lies from the same row's alone, for each number of rows;
//   2. pictures of the model that ships, from requests that come together, encoded prompts and decoding
//      included.
//
// The last line says both in short.
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include "proto/support/command_line.h"
#include "tests/bench/statistics.h"
#include "tests/support/full_size.h"
#include "worker/diffusion/device/precision.h"
#include "worker/diffusion/engine/awaited_picture.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/processors.h"

namespace mind::diffusion {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepeats = 5;
constexpr size_t kRows[] = {1, 2, 4, 8, 16};
constexpr size_t kPictures = 16;

struct Flags {
  at::Device device = at::kCPU;
  std::optional<Precision> precision;
  std::string network = "stable-diffusion-v1-5";
  std::string models = MIND_MODELS "/emoji";
};

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Fresh parameters where and as the device computes with them.
class FreshOnDevice : public FreshParameters {
 public:
  explicit FreshOnDevice(at::TensorOptions options) : FreshParameters(Values::kRandom), options_(options) {}
  at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
    return FreshParameters::Take(name, shape).to(options_);
  }

 private:
  at::TensorOptions options_;
};

EvaluationRow RowOf(const FullSize& model, uint64_t seed, at::Device device) {
  SeededNoise noise(seed);
  EvaluationRow row{.sample = noise.Draw(model.sample).to(device), .timestep = 500};
  if (!model.context.empty()) row.told.Set(Condition::kText, noise.Draw(model.context).to(device));
  if (model.label) row.told.Set(Condition::kLabel, at::zeros({}, at::kLong).to(device));
  if (model.pooled > 0) row.told.Set(Condition::kPooled, noise.Draw({model.pooled}).to(device));
  if (model.sizes > 0) row.told.Set(Condition::kSizes, at::full({model.sizes}, 1024.0).to(device));
  return row;
}

// Until the numbers are there.
std::vector<at::Tensor> RunOnce(RowExecutor& executor, const Denoiser& denoiser,
                                const std::vector<EvaluationRow>& rows) {
  std::vector<at::Tensor> outputs;
  for (RowResult& result : executor.Run(denoiser, rows)) {
    if (result.error) std::rethrow_exception(result.error);
    outputs.push_back(result.output.cpu());
  }
  return outputs;
}

// The most rows a second.
double MeasureSteps(const FullSize& model, const Flags& flags, const FileParameters::Options& parameters) {
  FreshOnDevice source(parameters.tensor());
  const std::unique_ptr<Denoiser> denoiser = model.make(source);
  const auto executor =
      flags.device.is_cpu() ? MakeSideBySideExecutor(UsableProcessors()) : MakeBatchedExecutor();
  std::printf("%-24s %5s %10s %10s %16s\n", model.name.c_str(), "rows", "seconds", "rows/s",
              "row 0 from alone");
  at::Tensor alone;
  double best = 0;
  for (const size_t count : kRows) {
    std::vector<EvaluationRow> rows;
    for (size_t i = 0; i < count; ++i) rows.push_back(RowOf(model, i, flags.device));
    const at::Tensor first = RunOnce(*executor, *denoiser, rows).front();  // and warms up
    if (!alone.defined()) alone = first;
    if (!at::isfinite(first).all().item<bool>()) throw Error("the network's answer is not finite");
    std::vector<double> seconds;
    for (int i = 0; i < kRepeats; ++i) {
      const Clock::time_point begin = Clock::now();
      RunOnce(*executor, *denoiser, rows);
      seconds.push_back(Since(begin));
    }
    const double median = bench::Median(seconds), rate = static_cast<double>(count) / median;
    best = std::max(best, rate);
    std::printf("%-24s %5zu %10.4f %10.2f %16.1e\n", "", count, median, rate,
                ((first - alone).abs().max() / alone.abs().max()).item<double>());
    std::fflush(stdout);
  }
  return best;
}

// Pictures a second.
double MeasurePictures(const Flags& flags, const FileParameters::Options& parameters) {
  ModelCache models(flags.models, {.parameters = parameters});
  models.Preload();
  if (models.models().empty()) throw Error(flags.models + ": no model to make pictures of");
  const ModelInfo info = models.models().front();
  Engine engine(models, {.device = flags.device, .row_threads = UsableProcessors()});
  TrajectoryRequest request{.model = info.name,
                            .width = info.default_width,
                            .height = info.default_height,
                            .sampler = info.default_sampler,
                            .steps = info.default_steps};
  request.picture.prompt = "a red apple";
  request.picture.guidance = info.default_guidance;
  double rate = 0;
  for (const size_t pictures : {size_t{1}, kPictures}) {
    const Clock::time_point begin = Clock::now();
    std::vector<std::shared_ptr<AwaitedPicture>> made;
    for (size_t i = 0; i < pictures; ++i) {
      request.seed = i;
      made.push_back(std::make_shared<AwaitedPicture>());
      engine.Submit(request, made.back());
    }
    for (const auto& picture : made) picture->Wait();
    rate = static_cast<double>(pictures) / Since(begin);
  }
  std::printf("%s, %lld steps, %zu at a time: %.2f pictures/s\n", info.name.c_str(),
              static_cast<long long>(info.default_steps), kPictures, rate);
  return rate;
}

void Run(const Flags& flags) {
  const Precision precision = flags.precision.value_or(DefaultPrecision(flags.device));
  if (const std::string reason = WhyNot(precision, flags.device); !reason.empty()) throw Error(reason);
  ComputeIn(precision);
  const FileParameters::Options parameters{.precision = precision, .device = flags.device};
  double steps = 0;
  for (const FullSize& model : FullSizeModels()) {
    if (model.name == flags.network) steps = MeasureSteps(model, flags, parameters);
  }
  if (steps == 0) throw Error(flags.network + ": no such network");
  const double pictures = MeasurePictures(flags, parameters);
  std::printf("%s on %s: %.2f rows/s, %.2f pictures/s\n", NameOf(precision), flags.device.str().c_str(),
              steps, pictures);
}

}  // namespace
}  // namespace mind::diffusion

int main(int argc, char** argv) {
  using namespace mind::diffusion;
  Flags flags;
  CLI::App app("Steps and pictures of a device, in a precision.");
  mind::SetUpCommandLine(app);
  const auto device = [&flags](const std::string& name) -> std::string {
    try {
      flags.device = at::Device(name);
      return "";
    } catch (const c10::Error&) {
      return name + ": not a device; allowed: cpu, cuda:N";
    }
  };
  mind::AddFlag(app, "--device", "DEVICE", device, "cpu or cuda:N")->default_str("cpu");
  const auto precision = [&flags](const std::string& name) -> std::string {
    flags.precision = PrecisionNamed(name);
    return flags.precision ? "" : name + ": allowed: " + kPrecisionNames;
  };
  mind::AddFlag(app, "--precision", "fp32|tf32|bf16|fp16", precision, "Of networks, as the worker's");
  mind::AddText(app, "--network", flags.network, "NAME", "Of tests/support/full_size.h");
  mind::AddText(app, "--models", flags.models, "DIR", "A model directory, to make pictures of");
  mind::ParseCommandLine(app, argc, argv);
  at::set_num_threads(1);
  const c10::InferenceMode inference;
  try {
    Run(flags);
    return 0;
  } catch (const c10::Error& e) {
    std::fprintf(stderr, "bench-device: %s\n", e.what_without_backtrace());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench-device: %s\n", e.what());
  }
  return 1;
}
