// bench-full-size [NAME [TIMES]]
//
// Builds the networks of the published models at full size with random weights and runs one step of each at
// the resolution it was trained at, or so many times that each way, one row. Prints parameters, seconds and
// the process's peak memory.
#include "tests/support/full_size.h"

#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  using namespace mind::diffusion;
  const c10::InferenceMode inference;
  std::printf("%-24s %12s %10s %12s  (%d threads)\n", "model", "parameters", "seconds", "peak GiB",
              at::get_num_threads());
  for (const FullSize& model : FullSizeModels()) {
    if (argc > 1 && model.name != argv[1]) continue;
    FreshParameters parameters(FreshParameters::Values::kRandom);
    const std::unique_ptr<Denoiser> denoiser = model.make(parameters);
    std::vector<int64_t> shape = model.sample, context = model.context;
    if (argc > 2) {
      for (size_t i = 1; i < shape.size(); ++i) shape[i] *= std::max(std::atoi(argv[2]), 1);
    }
    shape.insert(shape.begin(), 1);
    SeededNoise noise(1);
    DenoiserInput input{.sample = noise.Draw(shape), .timestep = at::full({1}, 500.0), .told = {}};
    if (!context.empty()) {
      context.insert(context.begin(), 1);
      input.told.Set(Condition::kText, noise.Draw(context));
    }
    if (model.label) input.told.Set(Condition::kLabel, at::zeros({1}, at::kLong));
    if (model.pooled > 0) input.told.Set(Condition::kPooled, noise.Draw({1, model.pooled}));
    if (model.sizes > 0) input.told.Set(Condition::kSizes, at::full({1, model.sizes}, 1024.0));
    const auto begin = std::chrono::steady_clock::now();
    const at::Tensor output = (*denoiser)(input);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%-24s %12lld %10.2f %12.2f%s\n", model.name.c_str(),
                static_cast<long long>(parameters.count()), seconds.count(),
                static_cast<double>(usage.ru_maxrss) / (1 << 20),
                at::isfinite(output).all().item<bool>() ? "" : "  not finite");
    std::fflush(stdout);
  }
}
