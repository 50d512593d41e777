#include "server/generation/validate_picture_prompts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace mind::server {
namespace {

using ::testing::HasSubstr;

v1::Model Prompted() {
  v1::Model model;
  v1::ModelInput& input = *model.add_inputs();
  input.set_role(v1::INPUT_ROLE_PROMPT);
  input.set_most(2);
  input.add_networks("plus");
  return model;
}

v1::ImageSpec Spec() {
  v1::ImageSpec spec;
  spec.add_picture_prompts()->set_adapter("plus");
  spec.mutable_picture_prompts(0)->set_image("picture");
  return spec;
}

std::string PromptError(const v1::Model& model, v1::ImageSpec spec) {
  const absl::Status status = ResolvePicturePrompts(model, spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ValidatePicturePrompts, WhatIsLeftOutIsFilledIn) {
  v1::ImageSpec spec = Spec();
  ASSERT_TRUE(ResolvePicturePrompts(Prompted(), spec).ok());
  EXPECT_EQ(spec.picture_prompts(0).weight(), 1);
  v1::ImageSpec none;
  EXPECT_TRUE(ResolvePicturePrompts(v1::Model(), none).ok());
}

TEST(ValidatePicturePrompts, ErrorsNameTheFieldAndWhatIsAllowed) {
  EXPECT_EQ(PromptError(v1::Model(), Spec()), "spec.picture_prompts: this model has no adapters for them");
  v1::ImageSpec spec = Spec();
  spec.mutable_picture_prompts(0)->set_adapter("plu");
  EXPECT_THAT(PromptError(Prompted(), spec),
              HasSubstr("spec.picture_prompts[0].adapter: \"plu\" is none of this model's: plus"));
  spec = Spec();
  spec.mutable_picture_prompts(0)->clear_image();
  EXPECT_EQ(PromptError(Prompted(), spec),
            "spec.picture_prompts[0].image: a picture prompt needs its picture");
  spec = Spec();
  for (const double weight : {-1.0, 2.5, std::nan("")}) {
    spec.mutable_picture_prompts(0)->set_weight(weight);
    EXPECT_THAT(PromptError(Prompted(), spec), HasSubstr("given; it must be 0 to 2"));
  }
  spec = Spec();
  spec.mutable_picture_prompts(0)->add_layers()->set_weight(1);
  EXPECT_EQ(PromptError(Prompted(), spec),
            "spec.picture_prompts[0].layers: each needs a name of 1 to 256 bytes");
  spec.mutable_picture_prompts(0)->mutable_layers(0)->set_layer("mid");
  spec.mutable_picture_prompts(0)->mutable_layers(0)->set_weight(3);
  EXPECT_EQ(PromptError(Prompted(), spec),
            "spec.picture_prompts[0].layers.weight: 3 given; it must be 0 to 2");
  spec = Spec();
  for (int i = 0; i < 2; ++i) *spec.add_picture_prompts() = spec.picture_prompts(0);
  EXPECT_EQ(PromptError(Prompted(), spec), "spec.picture_prompts: 3 given, at most 2 are allowed");
}

TEST(ValidatePicturePrompts, ThoseOfOneAdapterAreSeenAsOneUnlessTheyHaveMasks) {
  v1::ImageSpec spec = Spec();
  *spec.add_picture_prompts() = spec.picture_prompts(0);
  EXPECT_TRUE(ResolvePicturePrompts(Prompted(), spec).ok());
  spec.mutable_picture_prompts(1)->set_weight(0.5);
  EXPECT_EQ(PromptError(Prompted(), spec),
            "spec.picture_prompts[1].weight: 0.5 given, 1 before; pictures of the adapter \"plus\" without "
            "masks have one weight");
  spec.mutable_picture_prompts(1)->set_mask("mask");
  EXPECT_EQ(PromptError(Prompted(), spec),
            "spec.picture_prompts[1].mask: pictures of the adapter \"plus\" have masks all or none");
  spec.mutable_picture_prompts(0)->set_mask("mask");
  EXPECT_TRUE(ResolvePicturePrompts(Prompted(), spec).ok());
  spec = Spec();
  *spec.add_picture_prompts() = spec.picture_prompts(0);
  spec.mutable_picture_prompts(1)->add_layers()->set_layer("mid");
  EXPECT_EQ(PromptError(Prompted(), spec),
            "spec.picture_prompts[1].layers: pictures of the adapter \"plus\" without masks act in the same "
            "layers");
}

}  // namespace
}  // namespace mind::server
