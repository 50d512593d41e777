#include "tests/bench/cluster/pool.h"

#include <algorithm>
#include <cmath>

namespace mind::simulation {
namespace {

const std::vector<Weighted<uint32_t>> kSteps = {{20, 0.5}, {30, 0.3}, {50, 0.2}};
const std::vector<Weighted<uint32_t>> kPictures = {{1, 0.6}, {4, 0.4}};

// With guidance, two rows a picture. One picture: 104.6 steps a second on an H100 (stable-fast's README); how
// t grows is the a : b = 3 : 1 of 512-pixel models.
StepTimes OfStableDiffusion512() {
  return StepTimes::Line(0.00717, 0.00239);
}
// Fitted to MLPerf's logs of SDXL on H200 (v5.0, FP8): 20 t(8) = 3.40 s, 20 t(32) = 13.2 s. Encoders and VAE
// are in it.
StepTimes OfSdxl1024() {
  return StepTimes::Line(0.0067, 0.0204);
}
// Qwen-Image on H200, compiled, bf16, as measured by sglang.
StepTimes OfQwenImage512() {
  return StepTimes({{1, 0.167}, {2, 0.183}, {3, 0.186}, {4, 0.240}, {8, 0.425}, {16, 0.832}});
}
StepTimes OfQwenImage1024() {
  return StepTimes({{1, 0.243}, {2, 0.474}, {3, 0.711}});
}

int Part(int gpus, double share) {
  return std::max(1, static_cast<int>(std::lround(gpus * share)));
}

}  // namespace

double Kind::Seconds(int room) const {
  return Mean(steps) * Mean(pictures) * times.Of(room) / room;
}

std::vector<Pool> TypicalPools(int gpus) {
  const auto kind = [](uint32_t side, const StepTimes& times, double share) {
    return Kind{.side = side, .times = times, .steps = kSteps, .pictures = kPictures, .share = share};
  };
  return {
      {.model = "sd-512", .gpus = Part(gpus, 0.02), .kinds = {kind(512, OfStableDiffusion512(), 1)}},
      {.model = "sdxl", .gpus = Part(gpus, 0.18), .kinds = {kind(1024, OfSdxl1024(), 1)}},
      {.model = "dit-20b",
       .gpus = Part(gpus, 0.8),
       .kinds = {kind(1024, OfQwenImage1024(), 0.75), kind(512, OfQwenImage512(), 0.25)}},
  };
}

}  // namespace mind::simulation
