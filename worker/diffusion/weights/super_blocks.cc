#include "worker/diffusion/weights/super_blocks.h"

#include <c10/util/Half.h>

#include <cstring>

namespace mind::diffusion {
namespace {

float ScaleAt(const uint8_t* bytes) {
  c10::Half value;
  std::memcpy(&value, bytes, sizeof value);
  return static_cast<float>(value);
}

// Of a group of 32 in Q4_K and Q5_K, six bits each: of the first four groups whole, of the others four bits
// in the last four bytes and the two highest above those of the first.
struct GroupScale {
  float scale, least;
};
GroupScale GroupScaleOf(const uint8_t* packed, int group) {
  if (group < 4) return {static_cast<float>(packed[group] & 63), static_cast<float>(packed[group + 4] & 63)};
  const int low = packed[group + 4];
  return {static_cast<float>((low & 15) | packed[group - 4] >> 6 << 4),
          static_cast<float>(low >> 4 | packed[group] >> 6 << 4)};
}

// Q4_K, and with the fifth bits Q5_K: pairs of groups, in the low and the high bits of the same 32 bytes.
void DecodePairs(const uint8_t* block, const uint8_t* fifth, const uint8_t* bits, float* numbers) {
  const float scale = ScaleAt(block), least = ScaleAt(block + 2);
  for (int group = 0; group < 8; ++group) {
    const GroupScale own = GroupScaleOf(block + 4, group);
    const uint8_t* const bytes = bits + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      int value = group % 2 == 0 ? bytes[i] & 15 : bytes[i] >> 4;
      if (fifth != nullptr) value |= (fifth[i] >> group & 1) << 4;
      *numbers++ = scale * own.scale * static_cast<float>(value) - least * own.least;
    }
  }
}

// Where the two low bits of a number lie in Q2_K and Q3_K: of each half of the block, four numbers in one
// byte.
int TwoBits(const uint8_t* bits, int number) {
  const int half = number / 128, within = number % 128;
  return bits[32 * half + within % 32] >> 2 * (within / 32) & 3;
}

}  // namespace

void DecodeQ2K(const uint8_t* block, float* numbers) {
  const uint8_t *const scales = block, *const bits = block + 16;
  const float scale = ScaleAt(block + 80), least = ScaleAt(block + 82);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int own = scales[i / 16];
    numbers[i] = scale * static_cast<float>(own & 15) * static_cast<float>(TwoBits(bits, i)) -
                 least * static_cast<float>(own >> 4);
  }
}

void DecodeQ3K(const uint8_t* block, float* numbers) {
  const uint8_t *const high = block, *const bits = block + 32, *const packed = block + 96;
  const float scale = ScaleAt(block + 108);
  for (int i = 0; i < kSuperBlock; ++i) {
    // Sixteen scales of six bits: four in the nibbles of the first eight bytes, two in the last four.
    const int group = i / 16;
    const int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    const int own = (low | (packed[8 + group % 4] >> 2 * (group / 4) & 3) << 4) - 32;
    const bool third = (high[i % 32] >> i / 32 & 1) != 0;
    numbers[i] = scale * static_cast<float>(own) * static_cast<float>(TwoBits(bits, i) - (third ? 0 : 4));
  }
}

void DecodeQ4K(const uint8_t* block, float* numbers) {
  DecodePairs(block, nullptr, block + 16, numbers);
}

void DecodeQ5K(const uint8_t* block, float* numbers) {
  DecodePairs(block, block + 16, block + 48, numbers);
}

void DecodeQ6K(const uint8_t* block, float* numbers) {
  const uint8_t *const low = block, *const high = block + 128, *const scales = block + 192;
  const float scale = ScaleAt(block + 208);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int half = i / 128, within = i % 128, quarter = within / 32, column = within % 32;
    const int nibbles = low[64 * half + 32 * (quarter % 2) + column];
    const int value =
        (quarter < 2 ? nibbles & 15 : nibbles >> 4) | (high[32 * half + column] >> 2 * quarter & 3) << 4;
    const auto own = static_cast<int8_t>(scales[i / 16]);
    numbers[i] = scale * static_cast<float>(own) * static_cast<float>(value - 32);
  }
}

void DecodeIq4Xs(const uint8_t* block, float* numbers) {
  const float scale = ScaleAt(block);
  const int high = block[2] | block[3] << 8;
  const uint8_t *const low = block + 4, *const bits = block + 8;
  for (int i = 0; i < kSuperBlock; ++i) {
    const int group = i / 32, within = i % 32;
    const int own = ((low[group / 2] >> 4 * (group % 2) & 15) | (high >> 2 * group & 3) << 4) - 32;
    const int byte = bits[16 * group + within % 16];
    numbers[i] = scale * static_cast<float>(own) * kUnevenLevels[within < 16 ? byte & 15 : byte >> 4];
  }
}

}  // namespace mind::diffusion
