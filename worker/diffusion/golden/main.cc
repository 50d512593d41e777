// mind-golden: checks every network, tokenizer, sampler and pipeline against numbers recorded from the
// reference implementations. Ends with "N passed, M failed, K unsupported"; exits with 0 only if some passed,
// none failed and none is unsupported, with 2 if the command line is wrong.
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <filesystem>

#include "proto/support/command_line.h"
#include "worker/diffusion/device/precision.h"
#include "worker/diffusion/golden/stored_as.h"
#include "worker/diffusion/golden/suites.h"

namespace {

using namespace mind::diffusion;

// How far a variant may lead from the reference's numbers, relative to the largest value: one evaluation of a
// network, and pictures. What was measured is about half of it (docs/benchmarks.md).
struct Tolerances {
  double networks, pictures;
};

// Weights rounded to a type. Pictures of pixel models are not held to anything: over their long chains a
// random network makes of a rounded weight what it likes.
struct Storage {
  const char* name;
  at::ScalarType dtype;
  Tolerances tolerances;
};
constexpr Storage kStorages[] = {{"fp16", at::kHalf, {4e-3, 1e-2}}, {"bf16", at::kBFloat16, {5e-2, 1e-1}}};

// Networks computed in another precision than the reference's float32. Pictures of pixel models are not held
// to anything, as above. Floors by the bits of each type; of bf16 up to 0.041 and 0.174 were measured
// (LibTorch 1.13, the models of golden/all).
struct Computed {
  Precision precision;
  Tolerances tolerances;
};
constexpr Computed kComputed[] = {{Precision::kTf32, {4e-3, 2e-2}},
                                  {Precision::kBFloat16, {5e-2, 2e-1}},
                                  {Precision::kFloat16, {1e-2, 2e-2}}};

// Convolutions in another order of summation: networks are held to what they are in any case.
constexpr Tolerances kChannelsLast = {0, 2e-4};

struct CommandLine {
  GoldenOptions golden;
  const Storage* stored = nullptr;  // null: as they are
};

CommandLine Parse(int argc, char** argv) {
  CommandLine line;
  GoldenOptions& golden = line.golden;
  CLI::App app(
      "Checks every network, tokenizer, sampler and pipeline against numbers recorded from the reference "
      "implementations. Prints a line a case. Exit status: 0 only if some passed, none failed and none is "
      "unsupported.");
  mind::SetUpCommandLine(app);
  const auto directory = [&golden](const std::string& path) -> std::string {
    golden.directory = path;
    return std::filesystem::is_directory(path) ? "" : path + ": not a directory";
  };
  mind::AddFlag(app, "DIR", "DIR", directory, "The records, laid out as their README.md says")->required();
  const auto device = [&golden](const std::string& name) -> std::string {
    try {
      golden.device = at::Device(name);
      return "";
    } catch (const c10::Error&) {
      return name + ": not a device; allowed: cpu, cuda:N";
    }
  };
  mind::GiveTwin(mind::AddFlag(app, "--device", "DEVICE", device, "cpu or cuda:N")->default_str("cpu"));
  mind::AddText(app, "--filter", golden.filter, "TEXT", "Only cases with this in their names");
  const auto except = [&golden](const std::string& text) -> std::string {
    golden.except.push_back(text);
    return "";
  };
  mind::AddRepeatedFlag(app, "--except", "TEXT", except,
                        "No cases with this in their names. May be given again");
  const auto stored = [&line](const std::string& name) -> std::string {
    for (const Storage& storage : kStorages) {
      if (storage.name == name) line.stored = &storage;
    }
    return line.stored != nullptr ? "" : name + ": allowed: fp16, bf16";
  };
  mind::AddFlag(app, "--stored", "fp16|bf16", stored,
                "Networks, and pictures of latent models, with their weights rounded to this type");
  const auto precision = [&golden](const std::string& name) -> std::string {
    const std::optional<Precision> named = PrecisionNamed(name);
    if (!named) return name + ": allowed: " + kPrecisionNames;
    golden.precision = *named;
    return "";
  };
  mind::AddFlag(
      app, "--precision", "fp32|tf32|bf16|fp16", precision,
      "fp32, in which everything is checked; or networks, and pictures of latent models, computed in "
      "this precision")
      ->default_str("fp32");
  mind::AddSwitch(app, "--channels-last", golden.channels_last,
                  "Networks and pictures, with the channels last in memory");
  mind::ParseCommandLine(app, argc, argv);
  return line;
}

// On CUDA: by kernels that add in one order.
void ComputeReproducibly() {
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
  // Of operations without such a kernel it says so and goes on: the tolerances allow for those.
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
}

void RunVariant(const GoldenOptions& options, const Tolerances& tolerances, Report& report) {
  report.set_least_tolerance(tolerances.networks);
  RunNetworkCases(options, report);
  report.set_least_tolerance(tolerances.pictures);
  RunNetworkPictureCases(options, report);
}

void RunComputed(GoldenOptions options, Report& report) {
  options.only_latent_models = true;
  for (const Computed& computed : kComputed) {
    if (computed.precision == options.precision) RunVariant(options, computed.tolerances, report);
  }
}

void RunStored(GoldenOptions options, const Storage& storage, Report& report) {
  const StoredAs stored(options.directory, storage.dtype);
  options.directory = stored.path();
  options.only_latent_models = true;
  RunVariant(options, storage.tolerances, report);
}

}  // namespace

int main(int argc, char** argv) {
  const CommandLine line = Parse(argc, argv);
  at::set_num_threads(1);  // as the worker computes
  ComputeReproducibly();
  ComputeIn(line.golden.precision);
  if (const std::string reason = WhyNot(line.golden.precision, line.golden.device); !reason.empty()) {
    std::fprintf(stderr, "mind-golden: --precision %s: %s\n", NameOf(line.golden.precision), reason.c_str());
    return 2;
  }
  Report report;
  try {
    if (line.stored != nullptr) {
      RunStored(line.golden, *line.stored, report);
    } else if (line.golden.precision != Precision::kFloat32) {
      RunComputed(line.golden, report);
    } else if (line.golden.channels_last) {
      RunVariant(line.golden, kChannelsLast, report);
    } else {
      RunAllCases(line.golden, report);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mind-golden: %s\n", e.what());
    return 1;
  }
  report.PrintSummary();
  return report.ok() ? 0 : 1;
}
