// Vectors of as many floats as one register holds, and the functions of them that the kernels need. Of the
// compiler's own vector types, so that one text serves every instruction set: `kLanes` chooses.
//
// Included by the sources of kernels alone, each of which is compiled for one instruction set: nothing here
// may be emitted under a name that another source has too. So no function templates of the standard library,
// and every template is over a type of its source's own (kernels/kernels.h says how).
#ifndef MIND_WORKER_DIFFUSION_KERNELS_SIMD_H_
#define MIND_WORKER_DIFFUSION_KERNELS_SIMD_H_

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace mind::diffusion::kernels {

// REQUIRES of Isa: kLanes, a power of two.
template <typename Isa>
struct Simd {
  static constexpr int64_t kLanes = Isa::kLanes;
  typedef float Floats __attribute__((vector_size(4 * Isa::kLanes)));
  typedef int32_t Ints __attribute__((vector_size(4 * Isa::kLanes)));

  static Floats Load(const float* from) {
    Floats value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static void Store(float* to, Floats value) { std::memcpy(to, &value, sizeof value); }
  static Floats All(float value) { return value - Floats{}; }
  // The first `count` of them; the rest zero.
  static Floats LoadSome(const float* from, int64_t count) {
    Floats value{};
    std::memcpy(&value, from, static_cast<size_t>(count) * sizeof(float));
    return value;
  }
  static void StoreSome(float* to, Floats value, int64_t count) {
    std::memcpy(to, &value, static_cast<size_t>(count) * sizeof(float));
  }

  static Floats Larger(Floats a, Floats b) { return a > b ? a : b; }
  static float Largest(Floats value) {
    float lanes[kLanes];
    Store(lanes, value);
    for (int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (int64_t i = 0; i < width; ++i)
        lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
    }
    return lanes[0];
  }
  static float Sum(Floats value) {
    float lanes[kLanes];
    Store(lanes, value);
    for (int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (int64_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
    }
    return lanes[0];
  }

  // e^x to about one unit in the last place; 0 below -87.3, at most e^88. Polynomial and split of ln 2:
  // Cephes expf (Moshier 1989). Adding 1.5·2^23 rounds to the nearest integer and leaves it in the low bits.
  static Floats Exp(Floats x) {
    constexpr float kLowest = -87.3F, kHighest = 88.0F, kRounder = 12582912.0F;
    const Floats bounded = x < kLowest ? All(kLowest) : (x > kHighest ? All(kHighest) : x);
    const Floats rounded = bounded * 1.44269504088896341F + kRounder;
    const Floats n = rounded - kRounder;
    const Floats r = bounded - n * 0.693359375F - n * -2.12194440e-4F;
    Floats p = r * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    Ints bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    bits = (bits << 23) + (127 << 23);  // of the rounder nothing is left after the shift
    Floats power;
    std::memcpy(&power, &bits, sizeof power);
    return x < kLowest ? Floats{} : p * power;
  }

  // 2^x to about one unit in the last place; 0 below -126. REQUIRES: x <= 0, or not a number. Polynomial:
  // Taylor's, whose next term is below 2^-26 where |x| <= 1/2.
  static Floats PowerOfTwo(Floats x) {
#if defined(__AVX512F__)
    constexpr __mmask16 kAll = 0xFFFF;  // without a mask GCC 12 warns of what its own header leaves open
    const Floats bounded = (Floats)_mm512_maskz_max_ps(kAll, _mm512_set1_ps(-200.0F), (__m512)x);
    const Floats n = (Floats)_mm512_maskz_roundscale_ps(kAll, (__m512)bounded, 0);
    return (Floats)_mm512_maskz_scalef_ps(kAll, (__m512)Fraction(bounded - n), (__m512)n);
#else
    constexpr float kRounder = 12582912.0F;
    const Floats bounded = x < -126.0F ? All(-126.0F) : x;
    const Floats rounded = bounded + kRounder;
    Ints bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    bits = (bits << 23) + (127 << 23);
    Floats power;
    std::memcpy(&power, &bits, sizeof power);
    return x < -126.0F ? Floats{} : Fraction(bounded - (rounded - kRounder)) * power;
#endif
  }

  static Floats Silu(Floats x) {
    return x / (Exp(-x) + 1.0F);
  }

 private:
  // 2^x. REQUIRES: |x| <= 1/2
  static Floats Fraction(Floats x) {
    Floats p = x * 1.54035304e-4F + 1.33335581e-3F;
    p = p * x + 9.61812911e-3F;
    p = p * x + 5.55041087e-2F;
    p = p * x + 2.40226507e-1F;
    p = p * x + 6.93147181e-1F;
    return p * x + 1.0F;
  }
};

}  // namespace mind::diffusion::kernels

#endif  // MIND_WORKER_DIFFUSION_KERNELS_SIMD_H_
