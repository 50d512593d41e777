// mind-golden DIR [--device cpu|cuda:N] [--filter TEXT] [--stored fp16|bf16] [--channels-last]
//
// Checks every network, tokenizer, sampler and pipeline against numbers recorded from the reference
// implementations. DIR is laid out as its own README.md says. Prints a line a case and ends with "N passed, M
// failed, K unsupported"; exits with 0 only if some passed, none failed and none is unsupported, with 2 if
// the command line is wrong. With --stored networks and pictures of latent models are checked, their weights
// rounded to that type, with --channels-last networks and pictures.
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>

#include "worker/diffusion/engine/precision.h"
#include "worker/diffusion/golden/stored_as.h"
#include "worker/diffusion/golden/suites.h"

namespace {

using namespace mind::diffusion;

constexpr char kUsage[] =
    "usage: mind-golden DIR [--device cpu|cuda:N] [--filter TEXT] [--stored fp16|bf16] [--channels-last]\n";

// How far weights rounded to a type may lead from the reference's, relative to the largest value: one
// evaluation of a network, and pictures of latent models. Those of pixel models are not held to anything:
// over their long chains a random network makes of a rounded weight what it likes (docs/benchmarks.md).
struct Storage {
  const char* name;
  at::ScalarType dtype;
  double tolerance;
};
constexpr Storage kStorages[] = {{"fp16", at::kHalf, 1e-2}, {"bf16", at::kBFloat16, 1e-1}};

// Convolutions in another order of summation.
constexpr double kChannelsLastTolerance = 2e-4;

struct CommandLine {
  GoldenOptions golden;
  const Storage* stored = nullptr;  // null: as they are
};

// False, having said why, if the arguments are wrong.
bool Parse(int argc, char** argv, CommandLine& line) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (argument == "--channels-last") {
      line.golden.channels_last = true;
    } else if (argument == "--filter" && value != nullptr) {
      line.golden.filter = argv[++i];
    } else if (argument == "--device" && value != nullptr) {
      try {
        line.golden.device = at::Device(argv[++i]);
      } catch (const c10::Error&) {
        std::fprintf(stderr, "mind-golden: --device %s: not a device; allowed: cpu, cuda:N\n", value);
        return false;
      }
    } else if (argument == "--stored" && value != nullptr) {
      for (const Storage& storage : kStorages) {
        if (storage.name == std::string(value)) line.stored = &storage;
      }
      if (line.stored == nullptr) {
        std::fprintf(stderr, "mind-golden: --stored %s: allowed: fp16, bf16\n", value);
        return false;
      }
      ++i;
    } else if (argument[0] != '-' && line.golden.directory.empty()) {
      line.golden.directory = argument;
    } else {
      std::fputs(kUsage, stderr);
      return false;
    }
  }
  if (std::filesystem::is_directory(line.golden.directory)) return true;
  line.golden.directory.empty()
      ? std::fputs(kUsage, stderr)
      : std::fprintf(stderr, "mind-golden: %s: not a directory\n", line.golden.directory.c_str());
  return false;
}

// On CUDA: what float32 is, by kernels that add in one order.
void ComputeExactly() {
  ComputeInStrictFloat32();
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
  // Of operations without such a kernel it says so and goes on: the tolerances allow for those.
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
}

void RunStored(GoldenOptions options, at::ScalarType dtype, Report& report) {
  const StoredAs stored(options.directory, dtype);
  options.directory = stored.path();
  options.only_latent_models = true;
  RunNetworkCases(options, report);
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  if (!Parse(argc, argv, line)) return 2;
  at::set_num_threads(1);  // as the worker computes
  ComputeExactly();
  Report report(line.stored != nullptr      ? line.stored->tolerance
                : line.golden.channels_last ? kChannelsLastTolerance
                                            : 0);
  try {
    if (line.stored != nullptr) {
      RunStored(line.golden, line.stored->dtype, report);
    } else if (line.golden.channels_last) {
      RunNetworkCases(line.golden, report);
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
