#include "worker/image/inverted_mask.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::image {
namespace {

TEST(InvertedMask, IsDarkWhereThePictureIsBright) {
  const std::vector<uint8_t> pixels = {255, 255, 255, 0, 0, 0, 100, 100, 100};
  const RgbPicture inverted = DecodePicture(InvertedMask(EncodePng({pixels.data(), 3, 1}, "")));
  EXPECT_EQ(inverted.width, 3);
  EXPECT_EQ(inverted.height, 1);
  EXPECT_EQ(inverted.data, (std::vector<uint8_t>{0, 0, 0, 255, 255, 255, 155, 155, 155}));
}

TEST(InvertedMask, WhatIsNoPictureIsRefused) {
  EXPECT_THROW(InvertedMask("nothing"), std::runtime_error);
}

}  // namespace
}  // namespace mind::image
