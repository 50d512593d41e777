#include "server/generation/validate_painting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace mind::server {
namespace {

using testing::HasSubstr;

v1::Model Painter() {
  v1::Model model;
  model.set_takes_source_image(true);
  model.set_takes_source_fit(true);
  return model;
}

v1::ImageSpec Painting() {
  v1::ImageSpec spec;
  spec.set_source_image("picture");
  spec.set_mask_image("mask");
  return spec;
}

std::string PaintingRefusalOf(v1::ImageSpec spec, const v1::Model& model = Painter()) {
  return std::string(ResolvePainting(model, spec).message());
}

TEST(ValidatePainting, FillsInWhatIsLeftOutAndLeavesOutWhatChangesNothing) {
  v1::ImageSpec spec = Painting();
  spec.set_source_fit(v1::SOURCE_FIT_STRETCH);
  spec.mutable_only_masked();
  ASSERT_TRUE(ResolvePainting(Painter(), spec).ok());
  EXPECT_EQ(spec.source_fit(), v1::SOURCE_FIT_UNSPECIFIED);
  EXPECT_EQ(spec.only_masked().padding(), 32U);
  EXPECT_FALSE(spec.has_mask_blur());
  spec.set_source_fit(v1::SOURCE_FIT_FILL);
  spec.set_mask_blur(0);
  ASSERT_TRUE(ResolvePainting(Painter(), spec).ok());
  EXPECT_EQ(spec.source_fit(), v1::SOURCE_FIT_FILL);
  EXPECT_TRUE(spec.has_mask_blur());
}

TEST(ValidatePainting, NumbersHaveBounds) {
  v1::ImageSpec spec = Painting();
  for (const double blur : {-1.0, 64.5, std::nan("")}) {
    spec.set_mask_blur(blur);
    EXPECT_THAT(PaintingRefusalOf(spec), HasSubstr("spec.mask_blur")) << blur;
  }
  spec.set_mask_blur(64);
  EXPECT_EQ(PaintingRefusalOf(spec), "");
  spec.mutable_only_masked()->set_padding(257);
  EXPECT_THAT(PaintingRefusalOf(spec), HasSubstr("spec.only_masked.padding: 257 given; it must be 0 to 256"));
  spec.mutable_only_masked()->set_padding(256);
  EXPECT_EQ(PaintingRefusalOf(spec), "");
  spec.set_source_fit(static_cast<v1::SourceFit>(9));
  EXPECT_THAT(PaintingRefusalOf(spec), HasSubstr("spec.source_fit: 9 is not"));
}

TEST(ValidatePainting, NeedsWhatItIsAboutAndAModelThatTakesIt) {
  const std::pair<const char*, std::function<void(v1::ImageSpec&)>> says[] = {
      {"spec.source_fit", [](v1::ImageSpec& s) { s.set_source_fit(v1::SOURCE_FIT_CROP); }},
      {"spec.mask_blur", [](v1::ImageSpec& s) { s.set_mask_blur(4); }},
      {"spec.only_masked", [](v1::ImageSpec& s) { s.mutable_only_masked(); }}};
  for (const auto& [field, say] : says) {
    v1::ImageSpec spec;
    say(spec);
    EXPECT_THAT(PaintingRefusalOf(spec), testing::AllOf(HasSubstr(field), HasSubstr("given without")));
    spec = Painting();
    say(spec);
    EXPECT_THAT(PaintingRefusalOf(spec, v1::Model()),
                testing::AllOf(HasSubstr(field), HasSubstr("this model takes none")));
    EXPECT_EQ(PaintingRefusalOf(spec), "");
  }
}

TEST(ValidatePainting, WhatItBeginsWithIsForMasksBelowFullStrength) {
  v1::Model painter = Painter();
  painter.set_takes_mask_fill(true);
  v1::ImageSpec spec = Painting();
  spec.set_strength(0.5);
  spec.set_mask_fill(v1::MASK_FILL_NOISE);
  EXPECT_THAT(PaintingRefusalOf(spec), HasSubstr("spec.mask_fill: this model takes none"));
  ASSERT_TRUE(ResolvePainting(painter, spec).ok());
  EXPECT_EQ(spec.mask_fill(), v1::MASK_FILL_NOISE);
  spec.set_strength(1);
  ASSERT_TRUE(ResolvePainting(painter, spec).ok());
  EXPECT_EQ(spec.mask_fill(), v1::MASK_FILL_UNSPECIFIED);
  spec.set_mask_fill(v1::MASK_FILL_ORIGINAL);
  ASSERT_TRUE(ResolvePainting(Painter(), spec).ok());
  EXPECT_EQ(spec.mask_fill(), v1::MASK_FILL_UNSPECIFIED);
  spec.set_mask_fill(static_cast<v1::MaskFill>(9));
  EXPECT_THAT(PaintingRefusalOf(spec, painter), HasSubstr("spec.mask_fill: 9 is not a MaskFill"));
  spec.set_mask_fill(v1::MASK_FILL_NOTHING);
  spec.clear_mask_image();
  EXPECT_THAT(PaintingRefusalOf(spec, painter), HasSubstr("spec.mask_fill: given without mask_image"));
}

}  // namespace
}  // namespace mind::server
