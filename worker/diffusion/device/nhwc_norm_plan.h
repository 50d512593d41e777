// How the work of a fused group norm is divided among blocks and threads: by shape and type alone, never by
// the number of rows, so that a row's sums are taken in one order whoever is beside it.
//
// A row, [pixels, channels] in memory, is cut into chunks of pixels, a block each. A block's threads stand in
// `height` levels of `columns`: thread t takes `lanes` neighbouring channels, which it loads at once, of
// every height-th pixel of the chunk. Plain data, which kernels are given by value.
#ifndef MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_PLAN_H_
#define MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_PLAN_H_

#include <algorithm>
#include <cstdint>
#include <optional>

namespace mind::diffusion {

struct NhwcNormPlan {
  int64_t pixels = 0;  // height times width of a row
  int channels = 0, groups = 0;
  int lanes = 0, columns = 0, height = 0;
  int chunks = 0;
  int64_t chunk_pixels = 0;  // of every chunk but the last

  constexpr int threads() const { return columns * height; }
  constexpr int group_channels() const { return channels / groups; }
  // Threads of a block that share the chunks of one group, when they are put together.
  constexpr int parts() const { return std::max(threads() / groups, 1); }
  constexpr int64_t begin(int chunk) const { return chunk * chunk_pixels; }
  constexpr int64_t end(int chunk) const { return std::min(begin(chunk) + chunk_pixels, pixels); }
  // Of the memory that a block's threads share.
  constexpr int shared_floats() const {
    return std::max(2 * height * channels, 3 * parts() * groups + 2 * groups);
  }
};

inline constexpr int kNhwcNormThreads = 512;  // a block aims at
inline constexpr int kNhwcNormChunks =
    256;  // a row has at most: two blocks for each of a large GPU's processors
inline constexpr int kNhwcNormLoads = 4;       // a thread has at least, but for the last chunk
inline constexpr int kNhwcNormLaneBytes = 16;  // the most that one instruction loads

// Nothing where the kernel does not serve: where threads cannot load several channels at once, or a block
// would need more threads or shared memory than any GPU grants without being asked (1024, 48 KiB).
// `element_bytes`: 2 or 4.
inline std::optional<NhwcNormPlan> PlanNhwcNorm(int64_t pixels, int64_t channels, int64_t groups,
                                                int64_t element_bytes) {
  constexpr int64_t kMostChannels = 4096, kMostGroups = 256;
  if (pixels < 1 || channels < 1 || groups < 1 || channels > kMostChannels || groups > kMostGroups ||
      channels % groups != 0 || channels % 4 != 0) {
    return std::nullopt;
  }
  const bool eight = element_bytes * 8 <= kNhwcNormLaneBytes && channels % 8 == 0;
  NhwcNormPlan plan{
      .pixels = pixels, .channels = static_cast<int>(channels), .groups = static_cast<int>(groups)};
  plan.lanes = eight ? 8 : 4;
  plan.columns = plan.channels / plan.lanes;
  plan.height = std::max(kNhwcNormThreads / plan.columns, 1);
  const int64_t least = int64_t{plan.height} * kNhwcNormLoads;
  plan.chunk_pixels = std::max((pixels + kNhwcNormChunks - 1) / kNhwcNormChunks, least);
  plan.chunks = static_cast<int>((pixels + plan.chunk_pixels - 1) / plan.chunk_pixels);
  return plan;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_PLAN_H_
