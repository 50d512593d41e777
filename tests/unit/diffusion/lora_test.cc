// LoRA files of every spelling, and LoRAs in pictures that are made beside others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/lora_names.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

const LayerWeights kLayers = {{"unet.mid.attn1.to_q", at::zeros({6, 4})},
                              {"unet.mid.attn1.to_out.0", at::zeros({6, 6})},
                              {"unet.conv_in", at::zeros({8, 4, 3, 3})},
                              {"text_encoder.layers.0.fc1", at::zeros({6, 4})}};

NamedTensors File(std::map<std::string, at::Tensor> tensors,
                  std::map<std::string, std::string> metadata = {}) {
  return {"test.safetensors", std::move(tensors), std::move(metadata)};
}

std::string ErrorOf(const NamedTensors& file) {
  try {
    FromLora(file, kLayers);
    return "";
  } catch (const ModelError& e) {
    return e.what();
  }
}

TEST(Lora, KnowsTheSpellingsOfManyPrograms) {
  const at::Tensor down = at::ones({2, 4}), up = at::ones({6, 2});
  const std::vector<std::vector<std::string>> pairs = {
      {"unet.mid.attn1.to_q.lora_A.weight", "unet.mid.attn1.to_q.lora_B.weight"},
      {"unet.mid.attn1.to_q.lora.down.weight", "unet.mid.attn1.to_q.lora.up.weight"},
      {"unet.mid.attn1.processor.to_q_lora.down.weight", "unet.mid.attn1.processor.to_q_lora.up.weight"},
      {"lora_unet_mid_attn1_to_q.lora_down.weight", "lora_unet_mid_attn1_to_q.lora_up.weight"}};
  for (const auto& names : pairs) {
    const auto updates = FromLora(File({{names[0], down}, {names[1], up}}), kLayers);
    ASSERT_EQ(updates.count("unet.mid.attn1.to_q"), 1U) << names[0];
    EXPECT_EQ(updates.begin()->second.factor, 1);
  }
  const auto out = FromLora(File({{"unet.mid.attn1.processor.to_out_lora.down.weight", at::ones({2, 6})},
                                  {"unet.mid.attn1.processor.to_out_lora.up.weight", up}}),
                            kLayers);
  EXPECT_EQ(out.count("unet.mid.attn1.to_out.0"), 1U);
  const auto text = FromLora(File({{"lora_te_layers_0_fc1.lora_down.weight", down},
                                   {"lora_te_layers_0_fc1.lora_up.weight", up},
                                   {"lora_te_layers_0_fc1.alpha", at::full({}, 8.0)}}),
                             kLayers);
  EXPECT_EQ(text.at("text_encoder.layers.0.fc1").factor, 4);  // alpha 8 of rank 2
}

TEST(Lora, ShapesFollowTheLayer) {
  const auto updates = FromLora(File({{"unet.conv_in.lora_A.weight", at::ones({2, 4, 3, 3})},
                                      {"unet.conv_in.lora_B.weight", at::ones({8, 2})}}),
                                kLayers);
  EXPECT_EQ(updates.at("unet.conv_in").up.sizes(), (at::IntArrayRef{8, 2, 1, 1}));
}

TEST(Lora, AlphaMayStandInTheMetadata) {
  const auto factor = [](const std::string& metadata) {
    return FromLora(File({{"unet.mid.attn1.to_q.lora_A.weight", at::ones({4, 4})},
                          {"unet.mid.attn1.to_q.lora_B.weight", at::ones({6, 4})}},
                         {{"lora_adapter_metadata", metadata}}),
                    kLayers)
        .begin()
        ->second.factor;
  };
  EXPECT_EQ(factor(R"({"unet.lora_alpha": 8})"), 2);
  EXPECT_EQ(factor(R"({"text_encoder.lora_alpha": 8})"), 1);
  EXPECT_EQ(factor(R"({"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 2}})"), 0.5);
  EXPECT_EQ(factor(R"({"unet.lora_alpha": 8, "unet.use_rslora": true})"), 4);
  EXPECT_THROW(factor(R"({"unet.use_dora": true})"), UnsupportedError);
  EXPECT_THROW(factor("{"), ModelError);
}

TEST(Lora, WhatDoesNotFitIsNamed) {
  const at::Tensor down = at::ones({2, 4}), up = at::ones({6, 2});
  EXPECT_THAT(ErrorOf(File({})), HasSubstr("test.safetensors: no LoRA in it"));
  EXPECT_THAT(ErrorOf(File({{"unet.other.lora_A.weight", down}})),
              HasSubstr("\"unet.other.lora_A.weight\" belongs to no layer of this model"));
  EXPECT_THAT(ErrorOf(File({{"unet.conv_in.weight", down}})), HasSubstr("is no part of a LoRA"));
  EXPECT_THAT(ErrorOf(File({{"unet.mid.attn1.to_q.lora_A.weight", down}})), HasSubstr("a down but no up"));
  EXPECT_THAT(ErrorOf(File({{"unet.mid.attn1.to_q.lora_B.weight", up}})), HasSubstr("no down part"));
  EXPECT_THAT(ErrorOf(File({{"unet.mid.attn1.to_q.lora_A.weight", at::ones({2, 5})},
                            {"unet.mid.attn1.to_q.lora_B.weight", up}})),
              HasSubstr("down [2, 5] and up [6, 2] do not fit the layer's weight [6, 4]"));
  EXPECT_THAT(ErrorOf(File({{"unet.mid.attn1.to_q.lora_A.weight", at::ones({0, 4})},
                            {"unet.mid.attn1.to_q.lora_B.weight", at::ones({6, 0})}})),
              HasSubstr("do not fit"));
  EXPECT_THAT(ErrorOf(File({{"unet.mid.attn1.to_q.dora_scale", down}})), HasSubstr("another kind"));
  EXPECT_THAT(ErrorOf(File({{"unet.mid.attn1.to_q.lora_A.weight", down},
                            {"unet.mid.attn1.to_q.lora_B.weight", up},
                            {"unet.mid.attn1.to_q.alpha", at::ones({2})}})),
              HasSubstr(".alpha\" is not one number"));
}

class LoraPicture : public testing::Test {
 protected:
  LoraPicture() {
    folder_.Add("sd1", "sd1");
    folder_.AddLoras("sd1");
    models_ = std::make_unique<ModelCache>(folder_.path(), ModelCache::Options{});
  }

  static TrajectoryRequest RequestWith(std::vector<LoraUse> loras) {
    TrajectoryRequest request;
    request.model = "sd1";
    request.picture = {.prompt = "a cat", .guidance = 5, .loras = std::move(loras)};
    request.width = request.height = 64;
    request.sampler = "ddim";
    request.steps = 4;
    request.seed = 1;
    return request;
  }

  at::Tensor Alone(const TrajectoryRequest& request) {
    Engine engine(*models_, {});
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
    return events->picture;
  }

  mind::support::ModelFolder folder_;
  std::unique_ptr<ModelCache> models_;
};

TEST_F(LoraPicture, TheModelListsThemAndOnlyTheirRequestsSeeThem) {
  EXPECT_EQ(models_->models()[0].loras, (std::vector<std::string>{"kohya", "peft"}));
  const std::vector<TrajectoryRequest> requests = {RequestWith({}), RequestWith({{"kohya", 0.7}}),
                                                   RequestWith({{"peft", 0.7}}), RequestWith({{"kohya", -1}}),
                                                   RequestWith({{"kohya", 0.3}, {"peft", 0.4}})};
  std::vector<at::Tensor> alone;
  for (const TrajectoryRequest& request : requests) alone.push_back(Alone(request));

  Engine engine(*models_, {.row_threads = 2});
  std::vector<std::shared_ptr<Recorder>> together;
  for (const TrajectoryRequest& request : requests) {
    together.push_back(std::make_shared<Recorder>());
    engine.Submit(request, together.back());
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(together[i]->Wait(), Ending::kPicture) << together[i]->Error();
    EXPECT_TRUE(at::equal(together[i]->picture, alone[i])) << i;
  }
  const auto difference = [&](size_t i, size_t j) {
    return (alone[i].to(at::kFloat) - alone[j].to(at::kFloat)).abs().max().item<double>();
  };
  EXPECT_GT(difference(0, 1), 10);  // it shows
  EXPECT_LE(difference(1, 2), 1);   // the same update under other names
  EXPECT_LE(difference(1, 4), 1);   // and in two parts
}

TEST_F(LoraPicture, ScaleZeroIsNone) {
  EXPECT_TRUE(at::equal(Alone(RequestWith({{"kohya", 0}})), Alone(RequestWith({}))));
}

TEST_F(LoraPicture, AnUnknownNameAndABrokenFileAreNamed) {
  std::ofstream(folder_.path() + "/sd1/loras/broken.safetensors") << "not a safetensors file";
  ModelCache cache(folder_.path(), {});
  Engine engine(cache, {});
  auto unknown = std::make_shared<Recorder>(), broken = std::make_shared<Recorder>();
  engine.Submit(RequestWith({{"nope", 1}}), unknown);
  EXPECT_EQ(unknown->Wait(), Ending::kFailed);
  EXPECT_THAT(unknown->Error(), HasSubstr("this model has no LoRA named \"nope\""));
  engine.Submit(RequestWith({{"broken", 1}}), broken);
  EXPECT_EQ(broken->Wait(), Ending::kFailed);
  EXPECT_THAT(broken->Error(), HasSubstr("broken.safetensors: "));
}

TEST_F(LoraPicture, AModelWithoutLayersForThemSaysSo) {
  folder_.Add("dit", "dit");
  folder_.AddLoras("dit");
  const ModelCache cache(folder_.path(), {});
  ASSERT_EQ(cache.rejected().size(), 1U);
  EXPECT_THAT(cache.rejected()[0].reason, HasSubstr("a DiTPipeline takes no LoRAs"));
}

}  // namespace
}  // namespace mind::diffusion
