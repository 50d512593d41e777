#include "worker/diffusion/weights/float8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace mind::diffusion {

float FromFloat8(uint8_t bits, Float8 format) {
  const int mantissa_bits = format == Float8::kE4M3 ? 3 : 2;
  const int bias = format == Float8::kE4M3 ? 7 : 15, most = format == Float8::kE4M3 ? 15 : 31;
  const int exponent = bits >> mantissa_bits & most, mantissa = bits & ((1 << mantissa_bits) - 1);
  const float sign = (bits & 0x80) != 0 ? -1.0F : 1.0F;
  if (format == Float8::kE4M3 && (bits & 0x7f) == 0x7f) return std::numeric_limits<float>::quiet_NaN();
  if (format == Float8::kE5M2 && exponent == most) {
    return mantissa == 0 ? sign * std::numeric_limits<float>::infinity()
                         : std::numeric_limits<float>::quiet_NaN();
  }
  // Without an exponent there is no leading one.
  const int leading = exponent == 0 ? 0 : 1 << mantissa_bits;
  return sign *
         std::ldexp(static_cast<float>(leading + mantissa), std::max(exponent, 1) - bias - mantissa_bits);
}

at::Tensor FromFloat8(const uint8_t* bytes, at::IntArrayRef shape, Float8 format) {
  std::array<c10::BFloat16, 256> values;
  for (int bits = 0; bits < 256; ++bits)
    values[static_cast<size_t>(bits)] = FromFloat8(static_cast<uint8_t>(bits), format);
  at::Tensor tensor = at::empty(shape, at::kBFloat16);
  auto* const out = tensor.data_ptr<c10::BFloat16>();
  for (int64_t i = 0; i < tensor.numel(); ++i) out[i] = values[bytes[i]];
  return tensor;
}

}  // namespace mind::diffusion
