// Every family of models through server and worker: what goes in, what comes out, stopped and gone on with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <numeric>

#include "tests/functional/cluster.h"
#include "tests/functional/family_models.h"
#include "tests/support/model_folder.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Family {
  const char* model;
  const char* prompt;
  const char* label = "";
  uint32_t steps = 20;
  bool source = false;
  const char* lora = "";
  bool mask = false, depth = false;
  std::vector<const char*> networks = {};  // that steer it
  bool perturbed = false;
  const char* adapter = "";                // through which a picture is a prompt
  uint32_t side = 0;                       // of the pictures, in pixels; 0: as the model makes them
  int references = 0;                      // pictures that it goes by beside the source
  std::vector<uint32_t> later_steps = {};  // of the stages beside its own
  double scorer = 0;                       // how much of its scorer's gradient counts
};

const Family kFamilies[] = {
    {"sd1", "a photo of a cat", "", 30},
    {.model = "sd1-scored", .prompt = "a photo of a cat", .label = "", .steps = 30, .scorer = 30},
    {"sd1-with-loras", "a photo of a cat", "", 30, false, "kohya"},
    {"sd1-inpaint", "a photo of a cat", "", 30, true, "", /*mask=*/true},
    {"sd2", "a photo of a cat", "", 30},
    {"sd2-depth", "a photo of a cat", "", 30, true, "", false, /*depth=*/true},
    {"sd-file", "a photo of a cat", "", 30},
    {"sd-zh-wukong", "\u4e00\u53ea\u732b", "", 30},
    {"taichu", "\u4e00\u53ea\u732b", "", 20},
    {"sd-zh-bert", "\u4e00\u53ea\u732b", "", 30},
    {"sd-x4-upscaler", "a photo of a cat", "", 30, true},
    {"glide", "an oil painting of a corgi", "", 20},
    {.model = "glide-scored",
     .prompt = "an oil painting of a corgi",
     .label = "",
     .steps = 20,
     .side = 64,
     .scorer = 10},
    {.model = "karlo-stages", .prompt = "a cat", .label = "", .steps = 20, .later_steps = {9, 5}},
    {"cascade", "a photo of a cat", "", 20},
    {"xl", "a (photo:1.2) of a cat BREAK on the grass", "", 30},
    {"xl-both", "a photo of a cat", "", 30},
    {"xl-refiner", "a photo of a cat", "", 30, true},
    {"xl-edit", "make it a cat", "", 30, true},
    {"xl-steered", "a photo of a cat", "", 30, false, "", false, false, {"edges", "sketch"}},
    {.model = "xl-fused",
     .prompt = "a photo of a cat",
     .label = "",
     .steps = 30,
     .networks = {"many#1", "many#3"},
     .perturbed = true},
    {"xl-prompted", "a photo of a cat", "", 30, false, "", false, false, {}, false, "plain"},
    {"karlo", "a photo of a cat", "", 20},
    {"karlo-varied", "", "", 20, true},
    {"stable", "a photo of a cat", "", 20},
    {"stable-varied", "a photo of a cat", "", 20, true},
    {"kandinsky", "a photo of a cat", "", 20},
    {"kandinsky-combined", "a photo of a cat", "", 20, true},
    {"kandinsky-inpaint", "a photo of a cat", "", 20, true, "", /*mask=*/true},
    {"if-cascade", "a photo of a cat", "", 20},
    {"if-second", "a photo of a cat", "", 20, true},
    {.model = "z-image", .prompt = "\u4e00\u53ea\u732b", .label = "", .steps = 30, .side = 64},
    {.model = "flux", .prompt = "a photo of a cat", .label = "", .steps = 20, .side = 64},
    {.model = "flux-schnell", .prompt = "a photo of a cat", .label = "", .steps = 20, .side = 64},
    {.model = "flux-kontext", .prompt = "make it a cat", .source = true, .side = 64},
    {.model = "flux-fill",
     .prompt = "a photo of a cat",
     .label = "",
     .steps = 20,
     .source = true,
     .mask = true,
     .side = 64},
    {.model = "qwen-maker", .prompt = "a photo of a cat", .label = "", .steps = 20, .side = 64},
    {.model = "qwen-editor", .prompt = "make it a cat", .source = true, .side = 64, .references = 1},
    {.model = "klein-base", .prompt = "make it a cat", .side = 64, .references = 2},
    {.model = "klein-distilled", .prompt = "a photo of a cat", .label = "", .steps = 20, .side = 64},
    {.model = "sd3", .prompt = "a photo of a cat", .label = "", .steps = 20},
    {"dit", "", "label7", 100},
    {"ddpm-classcond", "", "3", 30},
    {"ddpm-cifar", "", "", 100},
    {"ncsnpp", "", "", 50},
};

class Families : public ::testing::TestWithParam<Family> {
 protected:
  void SetUp() override { AddFamily(folder_, GetParam().model); }

  std::vector<std::string> ModelFlags() const { return {"--models", folder_.path()}; }
  static v1::JobRequest RequestOf(const Family& family, uint32_t images) {
    v1::JobRequest request;
    v1::ImageSpec& spec = *request.mutable_spec();
    spec.set_model(family.model);
    spec.set_prompt(family.prompt);
    spec.set_class_label(family.label);
    spec.set_steps(family.steps);
    spec.set_seed(3);
    spec.set_image_count(images);
    if (family.side > 0) spec.set_width(family.side);
    if (family.side > 0) spec.set_height(family.side);
    if (family.source) spec.set_source_image(SmallPicture());
    for (int i = 0; i < family.references; ++i) spec.add_reference_images(SmallPicture());
    if (family.mask) spec.set_mask_image(SmallPicture());
    if (family.depth) spec.set_depth_image(SmallPicture());
    for (const char* const network : family.networks) {
      v1::ControlPicture& control = *spec.add_controls();
      const std::string named = network;
      const size_t kind = named.find('#');
      control.set_network(named.substr(0, kind));
      if (kind != std::string::npos)
        control.set_kind(static_cast<uint32_t>(std::stoul(named.substr(kind + 1))));
      control.set_image(SmallPicture());
      control.set_end(0.8);
    }
    if (family.adapter[0] != '\0') {
      v1::PicturePrompt& prompt = *spec.add_picture_prompts();
      prompt.set_adapter(family.adapter);
      prompt.set_image(SmallPicture());
      prompt.set_weight(0.8);
    }
    for (const uint32_t steps : family.later_steps) spec.add_later_stages()->set_steps(steps);
    if (family.scorer > 0) spec.mutable_scorer_guidance()->set_scale(family.scorer);
    if (family.perturbed) spec.mutable_perturbed_guidance()->set_scale(2);
    if (family.lora[0] != '\0') {
      spec.add_loras()->set_name(family.lora);
      spec.mutable_loras(0)->set_scale(0.7);
    }
    return request;
  }

  // Any picture; the model that ships makes one.
  static const std::string& SmallPicture() {
    static const std::string* const picture = [] {
      Cluster cluster;
      cluster.StartWorker("w");
      auto* data = new std::string;
      const auto job = cluster.NewClient()->Generate(
          Request("a red apple", 1, 2),
          {.event = nullptr, .picture = [data](client::Picture made) { *data = std::move(made.data); }});
      EXPECT_TRUE(job.ok()) << job.status();
      return data;
    }();
    return *picture;
  }

 private:
  support::ModelFolder folder_;  // this model alone: a worker loads all that it finds
};

TEST_P(Families, MakesAPictureWithPreviewsIsCancelledAndSurvivesItsWorker) {
  constexpr uint32_t kImages = 4;
  Cluster cluster;
  cluster.StartWorker("w0", ModelFlags());
  const auto client = cluster.NewClient();

  int previews = 0;
  std::map<uint32_t, std::string> whole;
  const auto job = client->Generate(
      RequestOf(GetParam(), kImages),
      {.event = [&](const v1::JobEvent& event) { previews += event.has_preview() ? 1 : 0; },
       .picture = [&](client::Picture picture) { whole[picture.index] = std::move(picture.data); }});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED) << job->error().message();
  ASSERT_EQ(whole.size(), kImages);
  EXPECT_THAT(whole.at(0), StartsWith("\x89PNG"));
  if (GetParam().label[0] != '\0') {
    EXPECT_THAT(whole.at(0), HasSubstr(", Class: "));
  }
  if (GetParam().lora[0] != '\0') {
    EXPECT_THAT(whole.at(0), HasSubstr(GetParam().prompt + std::string(" <lora:kohya:0.7>\n")));
  }
  if (GetParam().model == std::string("sd-x4-upscaler")) {
    EXPECT_THAT(whole.at(0), HasSubstr(", Noise level: 20"));
  }
  EXPECT_NE(whole.at(0), whole.at(1));
  EXPECT_GT(previews, 0);
  const std::vector<uint32_t>& later = GetParam().later_steps;
  if (!later.empty())
    EXPECT_EQ(job->steps_total(), kImages * std::accumulate(later.begin(), later.end(), GetParam().steps));

  // So much that it cannot be through before it is told to stop.
  const auto models = client->Models();
  ASSERT_TRUE(models.ok()) << models.status();
  v1::JobRequest endless = RequestOf(GetParam(), 16);
  for (const v1::Model& model : *models) {
    if (model.name() != GetParam().model) continue;
    for (const v1::Sampler& sampler : model.samplers()) {
      if (sampler.name() == model.default_sampler()) endless.mutable_spec()->set_steps(sampler.max_steps());
    }
    if (GetParam().side > 0) continue;  // at the largest one step would take minutes
    endless.mutable_spec()->set_width(model.max_width());
    endless.mutable_spec()->set_height(model.max_height());
  }
  const std::string cancelled = client->Create(endless)->id();
  Await("the first step", [&] { return client->Get(cancelled)->steps_done() > 0; });
  ASSERT_TRUE(client->Cancel(cancelled).ok());
  Await("its end", [&] { return client->Get(cancelled)->state() == v1::JOB_STATE_CANCELLED; });

  cluster.KillWorker("w0", SIGTERM);
  std::vector<std::string> often = ModelFlags();
  often.insert(often.end(), {"--checkpoint-interval", "1ms"});
  cluster.StartWorker("w1", often);
  const std::string moved = client->Create(RequestOf(GetParam(), kImages))->id();
  Await("work in progress", [&] { return client->Get(moved)->steps_done() > kImages; });
  cluster.KillWorker("w1", SIGKILL);
  cluster.StartWorker("w2", ModelFlags());
  EXPECT_EQ(PicturesOf(*client, moved), whole);
  const v1::Job ended = JobNow(*client, moved);
  EXPECT_EQ(ended.steps_done(), ended.steps_total());
}

INSTANTIATE_TEST_SUITE_P(All, Families, ::testing::ValuesIn(kFamilies), [](const auto& info) {
  std::string name = info.param.model;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

class FamiliesListed : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* model : {"sd1", "sd1-scored", "sd1-inpaint", "sd-zh-bert", "sd-x4-upscaler", "glide",
                              "dit", "ncsnpp", "xl-edit", "xl-steered", "karlo", "karlo-varied", "stable",
                              "kandinsky", "kandinsky-inpaint", "if-cascade", "if-second"})
      AddFamily(folder_, model);
    cluster_.StartWorker("w", {"--models", folder_.path()});
  }

  support::ModelFolder folder_;
  Cluster cluster_;
};

TEST_F(FamiliesListed, EveryModelSaysWhatItCanBeAskedFor) {
  const auto models = cluster_.NewClient()->Models();
  ASSERT_TRUE(models.ok()) << models.status();
  std::map<std::string, v1::Model> by_name;
  for (const v1::Model& model : *models) by_name[model.name()] = model;
  EXPECT_EQ(by_name.at("sd1").tasks(0), v1::TASK_TEXT_TO_IMAGE);
  EXPECT_EQ(by_name.at("sd1").languages(0), "en");
  EXPECT_FALSE(by_name.at("sd1").has_scorer());
  EXPECT_EQ(by_name.at("sd1-scored").scorer().kind(), v1::SCORER_KIND_TEXT);
  EXPECT_EQ(by_name.at("sd-zh-bert").languages(0), "zh");
  EXPECT_EQ(by_name.at("sd1-inpaint").tasks(0), v1::TASK_INPAINT);
  EXPECT_EQ(by_name.at("sd-x4-upscaler").tasks(0), v1::TASK_UPSCALE);
  EXPECT_EQ(by_name.at("sd-x4-upscaler").enlargement(), 4U);
  EXPECT_EQ(by_name.at("dit").tasks(0), v1::TASK_CLASS_TO_IMAGE);
  EXPECT_EQ(by_name.at("dit").class_names_size(), 20);
  EXPECT_EQ(by_name.at("dit").class_count(), 1000U);
  EXPECT_EQ(by_name.at("glide").later_steps(), 27U);
  EXPECT_EQ(by_name.at("xl-edit").tasks(0), v1::TASK_EDIT);
  EXPECT_TRUE(by_name.at("xl-edit").inputs(0).needed());
  EXPECT_TRUE(by_name.at("xl-edit").takes_picture_guidance());
  EXPECT_EQ(by_name.at("karlo").tasks_size(), 1);
  EXPECT_EQ(by_name.at("karlo").tasks(0), v1::TASK_TEXT_TO_IMAGE);
  EXPECT_EQ(by_name.at("karlo").inputs_size(), 0);
  EXPECT_EQ(by_name.at("karlo").later_steps(), 32U);  // the prior's, and those that enlarge
  EXPECT_TRUE(by_name.at("karlo").takes_prior_guidance());
  EXPECT_EQ(by_name.at("karlo-varied").tasks(0), v1::TASK_VARIATION);
  EXPECT_FALSE(by_name.at("karlo-varied").takes_prompt());
  ASSERT_EQ(by_name.at("karlo-varied").inputs_size(), 1);
  EXPECT_TRUE(by_name.at("karlo-varied").inputs(0).needed());
  EXPECT_EQ(by_name.at("stable").max_noise_level(), 999U);
  EXPECT_EQ(by_name.at("stable").default_noise_level(), 0U);
  const v1::Model& kandinsky = by_name.at("kandinsky");
  EXPECT_TRUE(kandinsky.takes_negative_prompt() && kandinsky.takes_prior_guidance());
  EXPECT_EQ(kandinsky.later_steps(), 25U);  // the prior's
  EXPECT_EQ(kandinsky.inputs_size(), 2);    // source, mask
  EXPECT_EQ(by_name.at("kandinsky-inpaint").tasks(0), v1::TASK_INPAINT);
  EXPECT_EQ(by_name.at("if-cascade").tasks(0), v1::TASK_TEXT_TO_IMAGE);
  EXPECT_EQ(by_name.at("if-cascade").default_width(), 32U);
  EXPECT_EQ(by_name.at("if-cascade").later_steps(), 4U);
  EXPECT_EQ(by_name.at("if-second").tasks(0), v1::TASK_UPSCALE);
  EXPECT_EQ(by_name.at("if-second").default_noise_level(), 250U);
  EXPECT_EQ(by_name.count("if-cascade-second"), 0U);  // which has no text encoder of its own
  const v1::Model& steered = by_name.at("xl-steered");
  ASSERT_EQ(steered.inputs_size(), 3);  // source, mask, control
  EXPECT_EQ(steered.inputs(2).role(), v1::INPUT_ROLE_CONTROL);
  EXPECT_THAT(steered.inputs(2).networks(), ::testing::ElementsAre("edges", "sketch"));
  EXPECT_EQ(by_name.at("sd1").inputs_size(), 2);
  EXPECT_EQ(by_name.at("ncsnpp").tasks(0), v1::TASK_UNCONDITIONAL);
}

TEST_F(FamiliesListed, WhatAModelDoesNotTakeIsRefusedAtOnce) {
  const auto client = cluster_.NewClient();
  const auto error = [&](const std::string& model, const std::function<void(v1::ImageSpec&)>& set) {
    v1::JobRequest request;
    request.mutable_spec()->set_model(model);
    set(*request.mutable_spec());
    const auto job = client->Create(request);
    EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument) << model;
    return std::string(job.status().message());
  };
  EXPECT_THAT(error("dit", [](auto&) {}),
              HasSubstr("spec.class_label: this model needs one: 0 to 999 or a name"));
  EXPECT_THAT(error("dit", [](auto& s) { s.set_class_label("1000"); }), HasSubstr("\"1000\" given"));
  EXPECT_THAT(error("sd1", [](auto& s) { s.set_class_label("1"); }), HasSubstr("this model takes none"));
  EXPECT_THAT(error("sd1", [](auto& s) { s.set_noise_level(1); }),
              HasSubstr("spec.noise_level: this model takes none"));
  EXPECT_THAT(error("sd1", [](auto& s) { s.mutable_scorer_guidance()->set_scale(1); }),
              HasSubstr("spec.scorer_guidance: this model has no scorer"));
  EXPECT_THAT(error("sd-x4-upscaler", [](auto&) {}),
              HasSubstr("spec.source_image: this model enlarges pictures"));
  EXPECT_THAT(error("karlo-varied", [](auto&) {}),
              HasSubstr("spec.source_image: this model varies pictures: it needs one"));
  EXPECT_THAT(error("sd1", [](auto& s) { s.add_reference_images("x"); }),
              HasSubstr("spec.reference_images: this model takes none"));
  EXPECT_THAT(error("sd1", [](auto& s) { s.set_prior_guidance(2); }),
              HasSubstr("spec.prior_guidance: this model takes none"));
  EXPECT_THAT(error("karlo", [](auto& s) { s.set_source_image("x"); }),
              HasSubstr("spec.source_image: this model takes none"));
  EXPECT_THAT(error("karlo", [](auto& s) { s.set_prior_guidance(101); }),
              HasSubstr("spec.prior_guidance: 101 given; it must be 0 to 100"));
  EXPECT_THAT(error("stable", [](auto& s) { s.set_noise_level(1000); }),
              HasSubstr("spec.noise_level: 1000 given; it must be 0 to 999"));
  EXPECT_THAT(error("sd-x4-upscaler",
                    [](auto& s) {
                      s.set_source_image("x");
                      s.set_noise_level(351);
                    }),
              HasSubstr("spec.noise_level: 351 given; it must be 0 to 350"));
}

}  // namespace
}  // namespace mind::testing
