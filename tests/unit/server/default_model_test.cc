#include "server/generation/default_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DefaultModel : public ::testing::Test {
 protected:
  DefaultModel() {
    Add("emoji", {v1::TASK_TEXT_TO_IMAGE, v1::TASK_IMAGE_TO_IMAGE, v1::TASK_INPAINT});
    Add("emoji-256", {v1::TASK_TEXT_TO_IMAGE}, {"emoji", "emoji-upscaler"});
    Add("emoji-upscaler", {v1::TASK_UPSCALE});
  }

  void Add(const std::string& name, std::vector<v1::Task> tasks, std::vector<std::string> stages = {}) {
    v1::Model& model = models_.emplace_back();
    model.set_name(name);
    for (const v1::Task task : tasks) model.add_tasks(task);
    for (const std::string& stage : stages) model.add_stages(stage);
  }

  std::vector<std::string> Meant() const {
    std::vector<const v1::Model*> served;
    for (const v1::Model& model : models_) served.push_back(&model);
    std::vector<std::string> names;
    for (const v1::Model* model : ModelsMeant(spec_, served)) names.push_back(model->name());
    return names;
  }

  std::vector<v1::Model> models_;
  v1::ImageSpec spec_;
};

TEST_F(DefaultModel, OfACascadeAndItsStagesTheCascadeIsMeant) {
  EXPECT_THAT(Meant(), ElementsAre("emoji-256"));
}

TEST_F(DefaultModel, WhatTheRequestCarriesDecidesWhichFit) {
  spec_.set_source_image("a picture");
  EXPECT_THAT(Meant(), ElementsAre("emoji"));  // the cascade does not begin from pictures
  spec_.set_noise_level(10);
  EXPECT_THAT(Meant(), ElementsAre("emoji-upscaler"));
  spec_.clear_noise_level();
  spec_.set_mask_image("a mask");
  EXPECT_THAT(Meant(), ElementsAre("emoji"));
  spec_.set_depth_image("a depth");
  EXPECT_THAT(Meant(), IsEmpty());
}

TEST_F(DefaultModel, OfModelsThatChangePicturesThoseFitThatTakeWhatIsSaid) {
  Add("instructed", {v1::TASK_EDIT});
  models_.back().set_takes_picture_guidance(true);
  Add("klein", {v1::TASK_TEXT_TO_IMAGE, v1::TASK_EDIT});
  v1::ModelInput& input = *models_.back().add_inputs();
  input.set_role(v1::INPUT_ROLE_REFERENCE);
  input.set_most(2);
  spec_.set_picture_guidance(1.5);
  EXPECT_THAT(Meant(), ElementsAre("instructed"));
  spec_.clear_picture_guidance();
  for (int i = 0; i < 2; ++i) spec_.add_reference_images("a picture");
  EXPECT_THAT(Meant(), ElementsAre("klein"));
  spec_.add_reference_images("a third");
  EXPECT_THAT(Meant(), IsEmpty());
}

TEST_F(DefaultModel, SeveralThatFitAreForTheRequestToChooseFrom) {
  Add("sd15", {v1::TASK_TEXT_TO_IMAGE});
  EXPECT_THAT(Meant(), ElementsAre("emoji-256", "sd15"));
  spec_.set_class_label("7");
  EXPECT_THAT(Meant(), IsEmpty());
}

TEST_F(DefaultModel, TheOnlyModelIsAlwaysMeant) {
  models_.resize(0);
  Add("faces", {v1::TASK_UNCONDITIONAL});
  EXPECT_THAT(Meant(), ElementsAre("faces"));
}

}  // namespace
}  // namespace mind::server
