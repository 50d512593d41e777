#include "worker/diffusion/pipelines/qwen_edit_text.h"

#include <gtest/gtest.h>

#include "worker/diffusion/models/qwen_picture_text.h"
#include "worker/diffusion/pipelines/qwen_image_edit.h"

namespace mind::diffusion {
namespace {

using Size = std::array<int64_t, 2>;

// Two words, a picture of 2 by 3 tokens, a word.
TEST(QwenEditText, WhatComesAfterAPictureIsBehindTheLastOfItsSides) {
  const at::Tensor places = QwenPlaces({5, 6, 9, 9, 9, 9, 9, 9, 7}, /*mark=*/9, {{2, 3}});
  const at::Tensor expected = at::tensor({0, 0, 0, 1, 1, 1,           //
                                          2, 2, 2, 2, 2, 3, 2, 2, 4,  //
                                          2, 3, 2, 2, 3, 3, 2, 3, 4,  //
                                          5, 5, 5},
                                         at::kLong)
                                  .view({9, 3});
  EXPECT_TRUE(at::equal(places, expected)) << places;
}

TEST(QwenEditText, PicturesAreSeenInWholeTokens) {
  EXPECT_EQ(QwenSeenSize(384, 416, 28), (Size{392, 420}));
  EXPECT_EQ(QwenSeenSize(20, 40, 28), (Size{56, 84}));  // not less than the least
  const Size large = QwenSeenSize(9000, 4000, 28);
  EXPECT_LE(large[0] * large[1], 28 * 28 * 16384);
  EXPECT_EQ(large[0] % 28, 0);
}

TEST(QwenEditText, ReferencesKeepTheirProportions) {
  EXPECT_EQ(QwenReferenceSize(1024, 1024, 1024 * 1024), (Size{1024, 1024}));
  EXPECT_EQ(QwenReferenceSize(80, 120, 1024 * 1024), (Size{832, 1248}));
  EXPECT_EQ(QwenReferenceSize(4000, 10, 1024), (Size{640, 32}));
}

// A token's patches are together, and of each patch both frames are the picture.
TEST(QwenEditText, PatchesOfATokenAreTogether) {
  QwenVisionConfig config;
  config.patch = 1;
  const at::Tensor picture = at::arange(3 * 2 * 4, at::kFloat).view({3, 2, 4});
  const at::Tensor patches = QwenPatches(picture, config);
  ASSERT_EQ(patches.sizes(), (at::IntArrayRef{8, 6}));
  EXPECT_TRUE(at::equal(patches.select(1, 0), at::tensor({0., 1., 4., 5., 2., 3., 6., 7.}, at::kFloat)));
  EXPECT_TRUE(at::equal(patches[0], at::tensor({0., 0., 8., 8., 16., 16.}, at::kFloat)));
}

}  // namespace
}  // namespace mind::diffusion
