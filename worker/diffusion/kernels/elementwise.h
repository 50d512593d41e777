// Norms and gates (kernels.h): what reads and writes maps and multiplies little.
#ifndef MIND_WORKER_DIFFUSION_KERNELS_ELEMENTWISE_H_
#define MIND_WORKER_DIFFUSION_KERNELS_ELEMENTWISE_H_

#include "worker/diffusion/kernels/kernels.h"
#include "worker/diffusion/kernels/simd.h"

namespace mind::diffusion::kernels {

template <typename Isa>
class Elementwise {
  using S = Simd<Isa>;
  using Floats = typename S::Floats;
  static constexpr int64_t kLanes = S::kLanes;

 public:
  static void NormGroup(const GroupNorm& n, int64_t group) {
    const int64_t channels = n.channels / n.groups, count = channels * n.pixels;
    const float* const x = n.x + group * count;
    // Against the first number, so that what is summed is as small as the deviations are.
    const float base = x[0];
    double sum = 0, squares = 0;
    constexpr int64_t kBlock = 64 * kLanes;
    int64_t i = 0;
    for (; i + kLanes <= count; i += kBlock) {
      const int64_t end = i + kBlock <= count ? i + kBlock : count - (count - i) % kLanes;
      Floats some[2] = {}, some_squares[2] = {};
      int64_t j = i;
      for (; j + 2 * kLanes <= end; j += 2 * kLanes) {
#pragma GCC unroll 2
        for (int64_t which = 0; which < 2; ++which) {
          const Floats d = S::Load(x + j + which * kLanes) - base;
          some[which] += d;
          some_squares[which] += d * d;
        }
      }
      if (j < end) {
        const Floats d = S::Load(x + j) - base;
        some[0] += d;
        some_squares[0] += d * d;
      }
      sum += static_cast<double>(S::Sum(some[0] + some[1]));
      squares += static_cast<double>(S::Sum(some_squares[0] + some_squares[1]));
    }
    for (i = count - count % kLanes; i < count; ++i) {
      const double d = static_cast<double>(x[i]) - static_cast<double>(base);
      sum += d;
      squares += d * d;
    }
    const double number = static_cast<double>(count), mean = sum / number;
    const double variance = squares / number - mean * mean;
    const double spread = 1 / __builtin_sqrt((variance > 0 ? variance : 0) + n.epsilon);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t channel = group * channels + c;
      const double scale = spread * static_cast<double>(n.scale[channel]);
      const double shift = static_cast<double>(n.shift[channel]) - mean * scale;
      Apply(x + c * n.pixels, n.y + channel * n.pixels, n.pixels, base, static_cast<float>(scale),
            static_cast<float>(shift), n.silu);
    }
  }

  static void GeluGate(const float* x, float* y, int64_t lines, int64_t width) {
    for (int64_t line = 0; line < lines; ++line, x += 2 * width, y += width) {
      int64_t i = 0;
      for (; i + kLanes <= width; i += kLanes) S::Store(y + i, S::Load(x + i) * Gelu(S::Load(x + width + i)));
      if (i < width) {
        const int64_t some = width - i;
        S::StoreSome(y + i, S::LoadSome(x + i, some) * Gelu(S::LoadSome(x + width + i, some)), some);
      }
    }
  }

 private:
  static void Apply(const float* x, float* y, int64_t count, float base, float scale, float shift,
                    bool silu) {
    const auto map = [&](Floats value) {
      const Floats normed = (value - base) * scale + shift;
      return silu ? S::Silu(normed) : normed;
    };
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) S::Store(y + i, map(S::Load(x + i)));
    if (i < count) S::StoreSome(y + i, map(S::LoadSome(x + i, count - i)), count - i);
  }

  // x (1 + erf(x / √2)) / 2 by Abramowitz & Stegun 7.1.26, off by 1.5e-7 of x at most; what LibTorch's own
  // kernels take on these processors.
  static Floats Gelu(Floats x) {
    const Floats z = x * 0.70710678118654752F, size = z < 0.0F ? -z : z;
    const Floats t = 1.0F / (size * 0.3275911F + 1.0F);
    Floats p = t * 1.061405429F - 1.453152027F;
    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = p * t + 0.254829592F;
    const Floats left = p * t * S::Exp(-(z * z));  // 1 - erf |z|
    return x * 0.5F * (z < 0.0F ? left : 2.0F - left);
  }
};

}  // namespace mind::diffusion::kernels

#endif  // MIND_WORKER_DIFFUSION_KERNELS_ELEMENTWISE_H_
