// bench-engine [SIZE [ROUNDS]]: what Stable Diffusion 1.5 at SIZExSIZE (512) costs on this CPU, on random
// weights of its shapes, against what multiplying alone would.
//
// In turns, ROUNDS (3) times: a large matrix product on one thread, which says what a core multiplies at
// most; one guided step, its two rows side by side as the engine runs them; and one picture decoded by all
// cores. Processor seconds are what to compare on a machine that does other things as well; a ratio is of
// them to the network's multiplications at the product's speed. The smallest of the rounds each. With 0
// ROUNDS there is one for every line on standard input, and each says at once what it came to, as JSON: so
// that a peer can be measured in turns with it (tests/bench/peer.py).
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>

#include "tests/support/full_size.h"
#include "worker/diffusion/blas.h"
#include "worker/diffusion/device/kept_memory.h"
#include "worker/diffusion/engine/idle_cores.h"
#include "worker/diffusion/engine/row_executor.h"
#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/pipelines/tiles.h"
#include "worker/diffusion/processors.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {
namespace {

// Of one row and of one picture at 512x512: multiplications and additions of convolutions, linear layers and
// attention, counted by their shapes. At other sizes they are not known here.
constexpr double kRowWork = 803.25e9, kDecodeWork = 2514e9;
constexpr int64_t kProduct = 2048;  // extent of the matrices

struct Cost {
  double wall = std::numeric_limits<double>::infinity(), processor = wall, system = wall;
};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

rusage Usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

void Measure(const std::function<void()>& work, Cost& least) {
  const rusage before = Usage();
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const rusage after = Usage();
  const double system = Seconds(after.ru_stime) - Seconds(before.ru_stime);
  const double processor = system + Seconds(after.ru_utime) - Seconds(before.ru_utime);
  least.wall = std::min(least.wall, wall.count());
  if (processor < least.processor) {
    least.processor = processor;
    least.system = system;
  }
}

int Run(int64_t size, int rounds) {
  const c10::InferenceMode inference;
  at::set_num_threads(1);
  KeepLargeBlocks();
  const int threads = UsableProcessors();
  FreshParameters parameters(FreshParameters::Values::kRandom);
  const std::unique_ptr<Denoiser> network = FullSizeModels().front().make(parameters);
  FreshParameters more(FreshParameters::Values::kRandom);
  AutoencoderConfig config;
  config.channels = config.decoder_channels = {128, 256, 512, 512};
  config.layers_per_block = 2;
  const AutoencoderKl autoencoder(Scope(more), config);
  IdleCores cores(threads);
  const std::unique_ptr<RowExecutor> executor = MakeSideBySideExecutor(threads);
  SeededNoise noise(1);
  const int64_t extent = size / 8;
  std::vector<EvaluationRow> rows(2);
  for (EvaluationRow& row : rows) {
    row.sample = noise.Draw({4, extent, extent});
    row.timestep = 500;
    row.told.Set(Condition::kText, noise.Draw({77, 768}));
  }
  const at::Tensor latents = noise.Draw({1, 4, extent, extent}), matrix = noise.Draw({kProduct, kProduct});
  const auto step = [&](const std::vector<EvaluationRow>& some) {
    for (const RowResult& result : executor->Run(*network, some)) {
      if (result.error) std::rethrow_exception(result.error);
    }
  };

  Cost product, guided, decode;
  const auto round = [&] {
    Measure([&] { at::matmul(matrix, matrix); }, product);
    Measure([&] { step(rows); }, guided);
    Measure(
        [&] {
          const HandsScope hands(cores);
          const auto map = [&](const at::Tensor& x) { return autoencoder.Decode(x); };
          NeedsTiles(config, extent, extent) ? InTiles(latents, 64, map) : map(latents);
        },
        decode);
  };
  if (rounds == 0) {
    while (std::getchar() != EOF) {  // a line is a newline alone
      product = guided = decode = Cost();
      round();
      std::printf(
          "{\"product\": %.4f, \"step\": {\"wall\": %.3f, \"processor\": %.3f}, "
          "\"decode\": {\"wall\": %.3f, \"processor\": %.3f}}\n",
          product.processor, guided.wall, guided.processor, decode.wall, decode.processor);
      std::fflush(stdout);
    }
    return 0;
  }
  for (int i = 0; i < rounds; ++i) round();
  const double peak = 2.0 * kProduct * kProduct * kProduct / product.processor;
  std::printf("%dx%d, %d threads, BLAS %s: %.0f GFLOP/s a core by a product of %lld\n",
              static_cast<int>(size), static_cast<int>(size), threads, BlasName().c_str(), peak / 1e9,
              static_cast<long long>(kProduct));
  std::printf("| | wall, s | processor, s | of it in the system, s | ratio to multiplying alone |\n");
  std::printf("| --- | --- | --- | --- | --- |\n");
  const auto print = [&](const char* name, const Cost& cost, double work) {
    std::printf("| %s | %.2f | %.2f | %.2f | ", name, cost.wall, cost.processor, cost.system);
    size == 512 ? std::printf("%.2f |\n", cost.processor * peak / work) : std::printf(" |\n");
  };
  print("a guided step", guided, 2 * kRowWork);
  print("decoding", decode, kDecodeWork);
  std::printf("peak memory: %.2f GiB\n", static_cast<double>(Usage().ru_maxrss) / (1 << 20));
  return 0;
}

}  // namespace
}  // namespace mind::diffusion

int main(int argc, char** argv) {
  mind::ChooseBlasKernels(argv);
  const long size = argc > 1 ? std::atol(argv[1]) : 512;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
  if (size < 64 || size > 2048 || size % 64 != 0 || rounds < 0) {
    std::fprintf(stderr, "bench-engine: SIZE must be a multiple of 64 from 64 to 2048, ROUNDS at least 0\n");
    return 2;
  }
  return mind::diffusion::Run(size, rounds);
}
