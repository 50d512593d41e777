#include "server/generation/validate_controls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace mind::server {
namespace {

using ::testing::HasSubstr;

v1::Model Steerable() {
  v1::Model model;
  v1::ModelInput& input = *model.add_inputs();
  input.set_role(v1::INPUT_ROLE_CONTROL);
  input.set_most(2);
  input.add_networks("edges");
  input.add_networks("depth");
  return model;
}

v1::Model Editor() {
  v1::Model model;
  model.add_tasks(v1::TASK_EDIT);
  model.set_takes_picture_guidance(true);
  return model;
}

v1::ImageSpec Steered() {
  v1::ImageSpec spec;
  spec.add_controls()->set_network("edges");
  spec.mutable_controls(0)->set_image("picture");
  return spec;
}

std::string ControlError(const v1::Model& model, v1::ImageSpec spec) {
  const absl::Status status = ResolveControls(model, spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ValidateControls, WhatIsLeftOutIsFilledIn) {
  v1::ImageSpec spec = Steered();
  ASSERT_TRUE(ResolveControls(Steerable(), spec).ok());
  EXPECT_EQ(spec.controls(0).weight(), 1);
  EXPECT_EQ(spec.controls(0).begin(), 0);
  EXPECT_EQ(spec.controls(0).end(), 1);
  EXPECT_FALSE(spec.has_picture_guidance());
  v1::ImageSpec edit;
  ASSERT_TRUE(ResolveControls(Editor(), edit).ok());
  EXPECT_EQ(edit.picture_guidance(), 1.5);
}

TEST(ValidateControls, ANetworkOfSeveralKindsIsToldWhich) {
  v1::Model model = Steerable();
  model.mutable_inputs(0)->add_network_kinds(0);
  model.mutable_inputs(0)->add_network_kinds(3);
  v1::ImageSpec spec = Steered();
  spec.mutable_controls(0)->set_kind(0);
  EXPECT_EQ(ControlError(model, spec), "spec.controls[0].kind: this network knows one kind of picture");
  spec.mutable_controls(0)->set_network("depth");
  ASSERT_TRUE(ResolveControls(model, spec).ok());
  spec.mutable_controls(0)->set_kind(3);
  EXPECT_EQ(ControlError(model, spec), "spec.controls[0].kind: 3 given; this network needs one, 0 to 2");
  spec.mutable_controls(0)->clear_kind();
  EXPECT_EQ(ControlError(model, spec), "spec.controls[0].kind: this network needs one, 0 to 2");
  spec.mutable_controls(0)->set_kind(2);
  *spec.add_controls() = spec.controls(0);
  EXPECT_EQ(ControlError(model, spec),
            "spec.controls[1].kind: 2 given again; the network \"depth\" takes one picture of a kind");
  spec.mutable_controls(1)->set_kind(1);
  EXPECT_TRUE(ResolveControls(model, spec).ok());
  spec.mutable_controls(1)->set_guess_mode(true);
  EXPECT_EQ(ControlError(model, spec),
            "spec.controls[1].guess_mode: pictures of the network \"depth\" are in guess mode all or none");
  spec.mutable_controls(0)->set_guess_mode(true);
  EXPECT_TRUE(ResolveControls(model, spec).ok());
}

// Of a network that knows one kind, each picture is seen alone.
TEST(ValidateControls, PicturesThatAreSeenAloneMayDifferInGuessMode) {
  v1::ImageSpec spec = Steered();
  *spec.add_controls() = spec.controls(0);
  spec.mutable_controls(1)->set_guess_mode(true);
  EXPECT_TRUE(ResolveControls(Steerable(), spec).ok());
}

TEST(ValidateControls, PerturbedGuidanceIsOfTheMiddleUnlessItSays) {
  v1::Model model;
  v1::ImageSpec spec;
  spec.mutable_perturbed_guidance()->set_scale(3);
  EXPECT_EQ(ControlError(model, spec), "spec.perturbed_guidance: this model takes none");
  model.set_takes_perturbed_guidance(true);
  ASSERT_TRUE(ResolveControls(model, spec).ok());
  EXPECT_EQ(spec.perturbed_guidance().layers(0), "mid");
  for (const double scale : {0.0, -1.0, 101.0, std::nan("")}) {
    spec.mutable_perturbed_guidance()->set_scale(scale);
    EXPECT_THAT(ControlError(model, spec), HasSubstr("given; it must be more than 0, up to 100"));
  }
  spec.mutable_perturbed_guidance()->set_scale(3);
  spec.mutable_perturbed_guidance()->set_fall(1.5);
  EXPECT_EQ(ControlError(model, spec), "spec.perturbed_guidance.fall: 1.5 given; it must be 0 to 1");
  spec.mutable_perturbed_guidance()->set_fall(0);
  spec.mutable_perturbed_guidance()->add_layers("");
  EXPECT_THAT(ControlError(model, spec), HasSubstr("each must have 1 to 256 bytes"));
  for (int i = 0; i < 16; ++i) spec.mutable_perturbed_guidance()->add_layers("mid");
  EXPECT_THAT(ControlError(model, spec), HasSubstr("18 given, at most 16"));
}

TEST(ValidateControls, PerturbedGuidanceActsInTheModelsStepsUnlessItSays) {
  v1::Model model;
  model.set_takes_perturbed_guidance(true);
  v1::ImageSpec spec;
  v1::PerturbedGuidance& guidance = *spec.mutable_perturbed_guidance();
  guidance.set_scale(3);
  guidance.mutable_interval()->set_end(0.5);
  EXPECT_EQ(ControlError(model, spec), "spec.perturbed_guidance.interval: this model takes none");
  model.mutable_perturbed_interval()->set_begin(0.01);
  model.mutable_perturbed_interval()->set_end(0.2);
  ASSERT_TRUE(ResolveControls(model, spec).ok());
  EXPECT_EQ(guidance.interval().begin(), 0.01);
  EXPECT_EQ(guidance.interval().end(), 0.5);
  guidance.clear_interval();
  ASSERT_TRUE(ResolveControls(model, spec).ok());
  EXPECT_EQ(guidance.interval().end(), 0.2);
  guidance.mutable_interval()->set_begin(0.2);
  EXPECT_EQ(
      ControlError(model, spec),
      "spec.perturbed_guidance.interval.begin: 0.2 given; it must be 0 to less than 0.2, where it ends");
  for (const double end : {0.0, 1.5, std::nan("")}) {
    guidance.mutable_interval()->set_end(end);
    EXPECT_THAT(ControlError(model, spec), HasSubstr("given; it must be more than 0, up to 1"));
  }
  // Where it is all of the steps nothing is said, so that it runs anywhere.
  guidance.clear_interval();
  model.mutable_perturbed_interval()->Clear();
  ASSERT_TRUE(ResolveControls(model, spec).ok());
  EXPECT_FALSE(guidance.has_interval());
}

TEST(ValidateControls, APriorIsGuidedByAScaleOfItsOwn) {
  v1::Model model;
  v1::ImageSpec spec;
  spec.set_prior_guidance(2);
  EXPECT_EQ(ControlError(model, spec), "spec.prior_guidance: this model takes none");
  model.set_takes_prior_guidance(true);
  ASSERT_TRUE(ResolveControls(model, spec).ok());
  EXPECT_EQ(spec.prior_guidance(), 2);
  spec.clear_prior_guidance();
  ASSERT_TRUE(ResolveControls(model, spec).ok());
  EXPECT_EQ(spec.prior_guidance(), 4);
  for (const double scale : {-1.0, 101.0, std::nan("")}) {
    spec.set_prior_guidance(scale);
    EXPECT_THAT(ControlError(model, spec), HasSubstr("given; it must be 0 to 100"));
  }
}

TEST(ValidateControls, ErrorsNameTheFieldAndWhatIsAllowed) {
  EXPECT_EQ(ControlError(v1::Model(), Steered()), "spec.controls: this model has no networks for them");
  v1::ImageSpec spec = Steered();
  spec.mutable_controls(0)->set_network("edge");
  EXPECT_THAT(ControlError(Steerable(), spec),
              HasSubstr("spec.controls[0].network: \"edge\" is none of this model's: edges"));
  spec = Steered();
  *spec.add_controls() = spec.controls(0);
  spec.mutable_controls(1)->clear_image();
  EXPECT_EQ(ControlError(Steerable(), spec),
            "spec.controls[1].image: a control needs the picture that its network sees");
  *spec.add_controls() = spec.controls(0);
  EXPECT_EQ(ControlError(Steerable(), spec), "spec.controls: 3 given, at most 2 are allowed");
  spec = Steered();
  for (const double weight : {-0.1, 2.1, std::nan("")}) {
    spec.mutable_controls(0)->set_weight(weight);
    EXPECT_THAT(ControlError(Steerable(), spec), HasSubstr("spec.controls[0].weight: "));
  }
  spec = Steered();
  spec.mutable_controls(0)->set_end(1.5);
  EXPECT_EQ(ControlError(Steerable(), spec),
            "spec.controls[0].end: 1.5 given; it must be more than 0, up to 1");
  spec.mutable_controls(0)->set_end(0.4);
  spec.mutable_controls(0)->set_begin(0.4);
  EXPECT_EQ(ControlError(Steerable(), spec),
            "spec.controls[0].begin: 0.4 given; it must be 0 to less than 0.4, where it ends");
}

TEST(ValidateControls, PictureGuidanceIsForModelsThatAreGuidedByThePicture) {
  v1::ImageSpec spec;
  spec.set_picture_guidance(2);
  EXPECT_EQ(ControlError(Steerable(), spec), "spec.picture_guidance: this model takes none");
  v1::Model unguided = Editor();  // it changes pictures, and sees them beside what it makes
  unguided.set_takes_picture_guidance(false);
  EXPECT_EQ(ControlError(unguided, spec), "spec.picture_guidance: this model takes none");
  v1::ImageSpec silent;
  ASSERT_TRUE(ResolveControls(unguided, silent).ok());
  EXPECT_FALSE(silent.has_picture_guidance());
  ASSERT_TRUE(ResolveControls(Editor(), spec).ok());
  spec.set_picture_guidance(101);
  EXPECT_EQ(ControlError(Editor(), spec), "spec.picture_guidance: 101 given; it must be 0 to 100");
}

}  // namespace
}  // namespace mind::server
