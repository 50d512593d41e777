#include "server/generation/reference_pictures.h"

#include <gtest/gtest.h>

#include "tests/unit/server/validate_rig.h"

namespace mind::server {
namespace {

v1::Model GoesByThree() {
  v1::Model model = TwoModels().at("sd");
  model.add_tasks(v1::TASK_EDIT);
  v1::ModelInput& input = *model.add_inputs();
  input.set_role(v1::INPUT_ROLE_REFERENCE);
  input.set_most(3);
  input.set_megapixels(0.5);
  return model;
}

v1::ImageSpec Brings(int count) {
  v1::ImageSpec spec;
  for (int i = 0; i < count; ++i) spec.add_reference_images("picture");
  return spec;
}

std::string ReferenceError(const v1::Model& model, const v1::ImageSpec& spec) {
  const absl::Status status = CheckReferences(model, spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ReferencePictures, AreAsManyAsTheModelGoesByWithTheSource) {
  v1::ImageSpec spec = Brings(3);
  EXPECT_TRUE(CheckReferences(GoesByThree(), spec).ok());
  EXPECT_TRUE(CheckReferences(v1::Model(), Brings(0)).ok());
  spec.set_source_image("picture");
  EXPECT_EQ(ReferenceError(GoesByThree(), spec),
            "spec.reference_images: 4 given with source_image, at most 3 are allowed");
  EXPECT_EQ(ReferenceError(GoesByThree(), Brings(5)),
            "spec.reference_images: 5 given, at most 3 are allowed");
  EXPECT_EQ(ReferenceError(v1::Model(), Brings(1)), "spec.reference_images: this model takes none");
  spec = Brings(2);
  spec.set_reference_images(1, "");
  EXPECT_EQ(ReferenceError(GoesByThree(), spec), "spec.reference_images[1]: empty; it must be a picture");
}

TEST(ReferencePictures, AreWhatAModelThatChangesPicturesNeeds) {
  Models models = {{"sd", GoesByThree()}};
  v1::JobRequest request = RequestOfSd();
  EXPECT_FALSE(CheckRequest(request, models).ok());
  request.mutable_spec()->add_reference_images("picture");
  const auto job = CheckRequest(request, models);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_FALSE(job->spec.has_strength());
  EXPECT_FALSE(job->spec.has_picture_guidance());
}

TEST(ReferencePictures, AddToTheSizeThatEachRowCostsFor) {
  const v1::Model model = GoesByThree();
  v1::ImageSpec spec = Brings(2);
  EXPECT_EQ(ReferenceMegapixels(spec, &model), 1);
  spec.set_source_image("picture");
  EXPECT_EQ(ReferenceMegapixels(spec, &model), 1.5);
  EXPECT_EQ(ReferenceMegapixels(spec, nullptr), 0);
  const v1::Model begins;  // with a source, whose tokens are none beside its own
  EXPECT_EQ(ReferenceMegapixels(spec, &begins), 0);
  v1::JobRequest request = RequestOfSd();
  for (int i = 0; i < 2; ++i) request.mutable_spec()->add_reference_images("picture");
  request.mutable_spec()->set_width(512);
  request.mutable_spec()->set_height(512);
  const auto job = CheckRequest(request, {{"sd", model}});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_DOUBLE_EQ(job->megapixels(), 1 + 1e-6 * 512 * 512);
}

}  // namespace
}  // namespace mind::server
