// What one thread does between two barriers of a fused group norm: the kernel itself, on a GPU and on a CPU.
// nhwc_norm.cu runs these with all threads of a block at a time, nhwc_norm.cc one after the other, so that
// what a processor computes is what a card does, in the order in which it does, but for the rounding of exp.
//
//   moments (a block a chunk of a row)     SumPixels | JoinLevels | JoinChannels → partials
//   applied (a block a chunk of a row)     JoinChunks | JoinParts | Apply → output
//
// Sums are in float32. A thread's are those of differences from its first number, of which the sum of squares
// loses at most n·2⁻²⁴ of itself to cancellation, n the pixels of a thread; the moments of parts are then
// joined as Chan, Golub & LeVeque 1983 do ("Algorithms for computing the sample variance"), which cancels
// nothing. So a mean far from zero costs no more accuracy than two passes would.
#ifndef MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_PARTS_H_
#define MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_PARTS_H_

#include <cmath>

#include "worker/diffusion/device/nhwc_norm_plan.h"

#if defined(__CUDACC__)
#define MIND_EVERYWHERE __host__ __device__ inline
#else
#define MIND_EVERYWHERE inline
#endif
#if defined(__CUDA_ARCH__)
#define MIND_UNROLLED _Pragma("unroll 4")  // so that several loads are under way
#else
#define MIND_UNROLLED
#endif

namespace mind::diffusion::nhwc_norm {

// Of some numbers: how many, their mean, and the sum of the squares of their distances from it.
struct Moments {
  float count, mean, squares;
};

// Neighbouring channels of a pixel, as they are loaded.
template <typename T, int kLanes>
struct alignas(sizeof(T) * kLanes) Lanes {
  T values[kLanes];
};

// Of `count` parts, of which part(i) gives the moments; one of them at least has numbers.
template <typename Part>
MIND_EVERYWHERE Moments Join(int count, const Part& part) {
  float numbers = 0, sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    const Moments m = part(i);
    numbers += m.count;
    sum += m.count * m.mean;
  }
  if (numbers == 0) return {0, 0, 0};
  const float mean = sum / numbers;
  for (int i = 0; i < count; ++i) {
    const Moments m = part(i);
    squares += m.squares + m.count * (m.mean - mean) * (m.mean - mean);
  }
  return {numbers, mean, squares};
}

// Pixels that the threads of a level take of a chunk.
MIND_EVERYWHERE int64_t LevelPixels(const NhwcNormPlan& plan, int chunk, int level) {
  const int64_t left = plan.end(chunk) - plan.begin(chunk) - level;
  return left > 0 ? (left + plan.height - 1) / plan.height : 0;
}

// A row of x, [pixels, channels] → shared [2, height, channels]: means, squares.
template <typename T, int kLanes>
MIND_EVERYWHERE void SumPixels(const NhwcNormPlan& plan, const T* x, int chunk, int thread, float* shared) {
  const int level = thread / plan.columns, channel = thread % plan.columns * kLanes;
  const int64_t begin = plan.begin(chunk) + level, end = plan.end(chunk);
  float first[kLanes], sum[kLanes], squares[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    first[lane] = begin < end ? static_cast<float>(x[begin * plan.channels + channel + lane]) : 0;
    sum[lane] = squares[lane] = 0;
  }
  MIND_UNROLLED
  for (int64_t pixel = begin; pixel < end; pixel += plan.height) {
    const auto loaded = *reinterpret_cast<const Lanes<T, kLanes>*>(x + pixel * plan.channels + channel);
    for (int lane = 0; lane < kLanes; ++lane) {
      const float from = static_cast<float>(loaded.values[lane]) - first[lane];
      sum[lane] += from;
      squares[lane] += from * from;
    }
  }
  const float count = static_cast<float>(LevelPixels(plan, chunk, level));
  float* means = shared + level * plan.channels + channel;
  float* distances = means + plan.height * plan.channels;
  for (int lane = 0; lane < kLanes; ++lane) {
    const float mean = count > 0 ? sum[lane] / count : 0;
    const float around = squares[lane] - sum[lane] * mean;
    means[lane] = first[lane] + mean;
    distances[lane] = around > 0 ? around : 0;
  }
}

// shared [2, height, channels] → its first levels.
MIND_EVERYWHERE void JoinLevels(const NhwcNormPlan& plan, int chunk, int thread, float* shared) {
  float* distances = shared + plan.height * plan.channels;
  for (int channel = thread; channel < plan.channels; channel += plan.threads()) {
    const Moments joined = Join(plan.height, [&](int level) {
      const int at = level * plan.channels + channel;
      return Moments{static_cast<float>(LevelPixels(plan, chunk, level)), shared[at], distances[at]};
    });
    shared[channel] = joined.mean;
    distances[channel] = joined.squares;
  }
}

// The first levels of shared [2, height, channels] → partials [groups, 2] of this chunk.
MIND_EVERYWHERE void JoinChannels(const NhwcNormPlan& plan, int chunk, int thread, const float* shared,
                                  float* partials) {
  const float* distances = shared + plan.height * plan.channels;
  const float pixels = static_cast<float>(plan.end(chunk) - plan.begin(chunk));
  for (int group = thread; group < plan.groups; group += plan.threads()) {
    const Moments joined = Join(plan.group_channels(), [&](int i) {
      const int channel = group * plan.group_channels() + i;
      return Moments{pixels, shared[channel], distances[channel]};
    });
    partials[2 * group] = joined.mean;
    partials[2 * group + 1] = joined.squares;
  }
}

// partials [chunks, groups, 2] of a row → shared [3, parts, groups]: counts, means, squares.
MIND_EVERYWHERE void JoinChunks(const NhwcNormPlan& plan, const float* partials, int thread, float* shared) {
  const int all = plan.parts() * plan.groups;
  for (int at = thread; at < all; at += plan.threads()) {
    const int part = at / plan.groups, group = at % plan.groups;
    const int mine = (plan.chunks - part + plan.parts() - 1) / plan.parts();
    const Moments joined = Join(mine > 0 ? mine : 0, [&](int i) {
      const int chunk = part + i * plan.parts();
      const float* partial = partials + 2 * (chunk * plan.groups + group);
      const int64_t numbers = (plan.end(chunk) - plan.begin(chunk)) * plan.group_channels();
      return Moments{static_cast<float>(numbers), partial[0], partial[1]};
    });
    shared[at] = joined.count;
    shared[all + at] = joined.mean;
    shared[2 * all + at] = joined.squares;
  }
}

// shared [3, parts, groups] → behind it [2, groups]: means, and one over the deviations.
MIND_EVERYWHERE void JoinParts(const NhwcNormPlan& plan, float epsilon, int thread, float* shared) {
  const int all = plan.parts() * plan.groups;
  for (int group = thread; group < plan.groups; group += plan.threads()) {
    const Moments joined = Join(plan.parts(), [&](int part) {
      const int at = part * plan.groups + group;
      return Moments{shared[at], shared[all + at], shared[2 * all + at]};
    });
    float* statistics = shared + 3 * all + group;
    statistics[0] = joined.mean;
    statistics[plan.groups] = 1.0f / sqrtf(joined.squares / joined.count + epsilon);
  }
}

// A row of x, [pixels, channels], by the statistics in shared → the same of out. weight, bias [channels].
template <typename T, int kLanes, bool kSilu>
MIND_EVERYWHERE void Apply(const NhwcNormPlan& plan, const T* x, const T* weight, const T* bias, int chunk,
                           int thread, const float* shared, T* out) {
  const int level = thread / plan.columns, channel = thread % plan.columns * kLanes;
  const float* statistics = shared + 3 * plan.parts() * plan.groups;
  float scale[kLanes], shift[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int group = (channel + lane) / plan.group_channels();
    scale[lane] = static_cast<float>(weight[channel + lane]) * statistics[plan.groups + group];
    shift[lane] = static_cast<float>(bias[channel + lane]) - statistics[group] * scale[lane];
  }
  const int64_t end = plan.end(chunk);
  MIND_UNROLLED
  for (int64_t pixel = plan.begin(chunk) + level; pixel < end; pixel += plan.height) {
    const int64_t at = pixel * plan.channels + channel;
    auto values = *reinterpret_cast<const Lanes<T, kLanes>*>(x + at);
    for (int lane = 0; lane < kLanes; ++lane) {
      float y = static_cast<float>(values.values[lane]) * scale[lane] + shift[lane];
      if (kSilu) y /= 1.0f + expf(-y);
      values.values[lane] = static_cast<T>(y);
    }
    *reinterpret_cast<Lanes<T, kLanes>*>(out + at) = values;
  }
}

}  // namespace mind::diffusion::nhwc_norm

#undef MIND_EVERYWHERE
#undef MIND_UNROLLED

#endif  // MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_PARTS_H_
