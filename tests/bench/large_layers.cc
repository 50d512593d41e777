// bench-layers [SIZE]: what large layers gain by working in parts, on random weights.
//
//   1. convolutions in bands against one piece, and norm and activation in one pass against two, at the
//      shapes of Stable Diffusion's decoder at 512x512: ratios of processor time on one thread, in turns;
//   2. decoding and encoding SIZExSIZE (512) by that autoencoder and by the x4 upscaler's: seconds on one
//      thread and with idle cores, whether the bytes agree, and the process's peak memory so far.
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "tests/bench/statistics.h"
#include "worker/diffusion/engine/idle_cores.h"
#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/pipelines/tiles.h"
#include "worker/diffusion/processors.h"
#include "worker/diffusion/weights/fresh_parameters.h"

namespace mind::diffusion {
namespace {

constexpr int kRounds = 7;

double ProcessorSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double PeakGib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

void Compare(const char* name, const std::function<at::Tensor()>& before,
             const std::function<at::Tensor()>& now) {
  const auto seconds = [](const std::function<at::Tensor()>& run) {
    const double begin = ProcessorSeconds();
    run();
    return ProcessorSeconds() - begin;
  };
  std::vector<double> befores, ratios;
  for (int i = 0; i <= kRounds; ++i) {
    const double first = seconds(before), second = seconds(now);
    if (i == 0) continue;  // warms up
    befores.push_back(first);
    ratios.push_back(second / first);
  }
  std::printf("| %s | %.1f | %.2f |\n", name, 1e3 * bench::Median(befores), bench::Median(ratios));
  std::fflush(stdout);
}

void Layers() {
  std::printf("| layer | before, ms | now / before |\n| --- | --- | --- |\n");
  struct Shape {
    int64_t in, out, extent;
  };
  for (const auto& [in, out, extent] :
       {Shape{512, 512, 64}, Shape{512, 512, 128}, Shape{512, 512, 256}, Shape{256, 256, 256},
        Shape{256, 256, 512}, Shape{128, 128, 512}, Shape{320, 320, 64}, Shape{640, 320, 64}}) {
    FreshParameters parameters(FreshParameters::Values::kRandom), again(FreshParameters::Values::kRandom);
    const Conv2d convolution(Scope(parameters), in, out);
    const at::Tensor weight = Scope(again).Take("weight", {out, in, 3, 3}),
                     bias = Scope(again).Take("bias", {out});
    const at::Tensor x = at::randn({1, in, extent, extent});
    std::string shape = std::to_string(in) + " to " + std::to_string(out) + " at " + std::to_string(extent);
    Compare(("3x3, " + shape).c_str(), [&] { return at::conv2d(x, weight, bias, 1, 1); },
            [&] { return convolution(x); });
  }
}

void Autoencoder(const char* name, const std::vector<int64_t>& channels, int64_t size, int64_t tile) {
  AutoencoderConfig config;
  config.channels = config.decoder_channels = channels;
  config.layers_per_block = 2;
  FreshParameters parameters(FreshParameters::Values::kRandom);
  const AutoencoderKl autoencoder(Scope(parameters), config);
  const int64_t extent = size / config.reduction();
  const bool tiles = NeedsTiles(config, extent, extent);
  IdleCores cores(UsableProcessors());
  const auto measure = [&](const char* what, const at::Tensor& x, int64_t part, const auto& map) {
    const auto run = [&] { return tiles ? InTiles(x, part, map) : map(x); };
    const auto begin = std::chrono::steady_clock::now();
    const at::Tensor alone = run();
    const auto middle = std::chrono::steady_clock::now();
    const HandsScope hands(cores);
    const at::Tensor helped = run();
    const std::chrono::duration<double> first = middle - begin,
                                        second = std::chrono::steady_clock::now() - middle;
    std::printf("| %s, %s, %lldx%lld%s | %.2f | %.2f | %.2f | %s | %.2f |\n", name, what,
                static_cast<long long>(size), static_cast<long long>(size), tiles ? " in tiles" : "",
                first.count(), second.count(), second / first, at::equal(alone, helped) ? "yes" : "NO",
                PeakGib());
    std::fflush(stdout);
  };
  measure("decode", at::randn({1, config.latent_channels, extent, extent}), tile,
          [&](const at::Tensor& x) { return autoencoder.Decode(x); });
  measure("encode", at::rand({1, 3, size, size}), tile * config.reduction(),
          [&](const at::Tensor& x) { return autoencoder.EncodeMoments(x); });
}

int Main(int64_t size) {
  const c10::InferenceMode inference;
  at::set_num_threads(1);
  Layers();
  std::printf(
      "\n| autoencoder | one thread, s | with %d cores, s | ratio | the same bytes | peak, GiB |\n"
      "| --- | --- | --- | --- | --- | --- |\n",
      UsableProcessors());
  Autoencoder("Stable Diffusion's", {128, 256, 512, 512}, size, 64);
  Autoencoder("the x4 upscaler's", {128, 256, 512}, size, 128);
  return 0;
}

}  // namespace
}  // namespace mind::diffusion

int main(int argc, char** argv) {
  const long size = argc > 1 ? std::atol(argv[1]) : 512;
  if (size < 64 || size > 4096 || size % 64 != 0) {
    std::fprintf(stderr, "bench-layers: SIZE must be a multiple of 64, from 64 to 4096\n");
    return 2;
  }
  return mind::diffusion::Main(size);
}
