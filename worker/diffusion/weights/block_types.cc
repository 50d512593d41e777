#include "worker/diffusion/weights/block_types.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "worker/diffusion/weights/super_blocks.h"

namespace mind::diffusion {
namespace {

constexpr int kPlainBlock = 32;

// A number of another type where it lies in a block, little-endian as all of GGUF.
template <typename T>
T At(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

float HalfAt(const uint8_t* bytes) {
  return static_cast<float>(At<c10::Half>(bytes));
}

template <typename T>
void Plain(const uint8_t* block, float* numbers) {
  *numbers = static_cast<float>(At<T>(block));
}

// Four bits each: the first half of the numbers in the low bits of the bytes, the second in the high ones.
template <typename Number>
void Nibbles(const uint8_t* bytes, float* numbers, const Number& number) {
  for (int i = 0; i < kPlainBlock / 2; ++i) {
    numbers[i] = number(bytes[i] & 15, i);
    numbers[i + kPlainBlock / 2] = number(bytes[i] >> 4, i + kPlainBlock / 2);
  }
}

void DecodeQ40(const uint8_t* block, float* numbers) {
  const float scale = HalfAt(block);
  Nibbles(block + 2, numbers, [=](int bits, int) { return scale * static_cast<float>(bits - 8); });
}

void DecodeQ41(const uint8_t* block, float* numbers) {
  const float scale = HalfAt(block), least = HalfAt(block + 2);
  Nibbles(block + 4, numbers, [=](int bits, int) { return scale * static_cast<float>(bits) + least; });
}

// The fifth bit of each number in a word of its own.
int FifthBit(uint32_t word, int i) {
  return static_cast<int>((word >> i & 1) << 4);
}

void DecodeQ50(const uint8_t* block, float* numbers) {
  const float scale = HalfAt(block);
  const auto high = At<uint32_t>(block + 2);
  Nibbles(block + 6, numbers,
          [=](int bits, int i) { return scale * static_cast<float>((bits | FifthBit(high, i)) - 16); });
}

void DecodeQ51(const uint8_t* block, float* numbers) {
  const float scale = HalfAt(block), least = HalfAt(block + 2);
  const auto high = At<uint32_t>(block + 4);
  Nibbles(block + 8, numbers,
          [=](int bits, int i) { return scale * static_cast<float>(bits | FifthBit(high, i)) + least; });
}

void DecodeQ80(const uint8_t* block, float* numbers) {
  const float scale = HalfAt(block);
  for (int i = 0; i < kPlainBlock; ++i) numbers[i] = scale * static_cast<float>(At<int8_t>(block + 2 + i));
}

void DecodeIq4Nl(const uint8_t* block, float* numbers) {
  const float scale = HalfAt(block);
  Nibbles(block + 2, numbers, [=](int bits, int) { return scale * kUnevenLevels[bits]; });
}

constexpr BlockType kGgufTypes[] = {
    {0, "F32", 1, 4, Plain<float>},
    {1, "F16", 1, 2, Plain<c10::Half>},
    {30, "BF16", 1, 2, Plain<c10::BFloat16>},
    {2, "Q4_0", kPlainBlock, 18, DecodeQ40},
    {3, "Q4_1", kPlainBlock, 20, DecodeQ41},
    {6, "Q5_0", kPlainBlock, 22, DecodeQ50},
    {7, "Q5_1", kPlainBlock, 24, DecodeQ51},
    {8, "Q8_0", kPlainBlock, 34, DecodeQ80},
    {10, "Q2_K", kSuperBlock, 84, DecodeQ2K},
    {11, "Q3_K", kSuperBlock, 110, DecodeQ3K},
    {12, "Q4_K", kSuperBlock, 144, DecodeQ4K},
    {13, "Q5_K", kSuperBlock, 176, DecodeQ5K},
    {14, "Q6_K", kSuperBlock, 210, DecodeQ6K},
    {20, "IQ4_NL", kPlainBlock, 18, DecodeIq4Nl},
    {23, "IQ4_XS", kSuperBlock, 136, DecodeIq4Xs},
};

}  // namespace

const BlockType* FindBlockType(uint32_t code) {
  const auto found = std::find_if(std::begin(kGgufTypes), std::end(kGgufTypes),
                                  [=](const BlockType& type) { return type.code == code; });
  return found != std::end(kGgufTypes) ? found : nullptr;
}

std::string BlockTypeNames() {
  std::string names;
  for (const BlockType& type : kGgufTypes) names += std::string(names.empty() ? "" : ", ") + type.name;
  return names;
}

}  // namespace mind::diffusion
