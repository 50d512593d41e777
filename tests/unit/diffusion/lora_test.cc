// LoRA files of every spelling, and LoRAs in pictures that are made beside others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/weights/fresh_parameters.h"
#include "worker/diffusion/weights/names/lora_names.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

const LayerWeights kLayers = {{"unet.mid.attn1.to_q", at::zeros({6, 4})},
                              {"unet.mid.attn1.to_out.0", at::zeros({6, 6})},
                              {"unet.conv_in", at::zeros({8, 4, 3, 3})},
                              {"text_encoder.layers.0.fc1", at::zeros({6, 4})}};

NamedTensors LoraFile(std::map<std::string, at::Tensor> tensors,
                      std::map<std::string, std::string> metadata = {}) {
  return {"test.safetensors", std::move(tensors), std::move(metadata)};
}

std::string LoraError(const NamedTensors& file) {
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
    const auto updates = FromLora(LoraFile({{names[0], down}, {names[1], up}}), kLayers);
    ASSERT_EQ(updates.count("unet.mid.attn1.to_q"), 1U) << names[0];
    EXPECT_EQ(updates.begin()->second.factor, 1);
  }
  const auto out = FromLora(LoraFile({{"unet.mid.attn1.processor.to_out_lora.down.weight", at::ones({2, 6})},
                                      {"unet.mid.attn1.processor.to_out_lora.up.weight", up}}),
                            kLayers);
  EXPECT_EQ(out.count("unet.mid.attn1.to_out.0"), 1U);
  const auto text = FromLora(LoraFile({{"lora_te_layers_0_fc1.lora_down.weight", down},
                                       {"lora_te_layers_0_fc1.lora_up.weight", up},
                                       {"lora_te_layers_0_fc1.alpha", at::full({}, 8.0)}}),
                             kLayers);
  EXPECT_EQ(text.at("text_encoder.layers.0.fc1").factor, 4);  // alpha 8 of rank 2
}

TEST(Lora, ShapesFollowTheLayer) {
  const auto updates = FromLora(LoraFile({{"unet.conv_in.lora_A.weight", at::ones({2, 4, 3, 3})},
                                          {"unet.conv_in.lora_B.weight", at::ones({8, 2})}}),
                                kLayers);
  EXPECT_EQ(updates.at("unet.conv_in").up.sizes(), (at::IntArrayRef{8, 2, 1, 1}));
}

TEST(Lora, AlphaMayStandInTheMetadata) {
  const auto factor = [](const std::string& metadata) {
    return FromLora(LoraFile({{"unet.mid.attn1.to_q.lora_A.weight", at::ones({4, 4})},
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
  EXPECT_THAT(LoraError(LoraFile({})), HasSubstr("test.safetensors: no LoRA in it"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.other.lora_A.weight", down}})),
              HasSubstr("\"unet.other.lora_A.weight\" belongs to no layer of this model"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.conv_in.weight", down}})), HasSubstr("is no part of a LoRA"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.lora_A.weight", down}})),
              HasSubstr("a down but no up"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.lora_B.weight", up}})), HasSubstr("no down part"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.lora_A.weight", at::ones({2, 5})},
                                  {"unet.mid.attn1.to_q.lora_B.weight", up}})),
              HasSubstr("down [2, 5] and up [6, 2] do not fit the layer's weight [6, 4]"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.lora_A.weight", at::ones({0, 4})},
                                  {"unet.mid.attn1.to_q.lora_B.weight", at::ones({6, 0})}})),
              HasSubstr("do not fit"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.lora_magnitude_vector", down}})),
              HasSubstr("of a kind that is not supported"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.dora_scale", down}})), HasSubstr("no down part"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.diff", down}})),
              HasSubstr("do not fit the layer's weight"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.hada_w1_a", at::ones({6, 2})},
                                  {"unet.mid.attn1.to_q.hada_w1_b", at::ones({3, 4})}})),
              HasSubstr("hada_w1_a [6, 2] and hada_w1_b [3, 4] do not fit"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.lokr_w1", at::ones({2, 2})},
                                  {"unet.mid.attn1.to_q.lokr_w2", at::ones({2, 2})}})),
              HasSubstr("lokr_w1 and lokr_w2"));
  EXPECT_THAT(LoraError(LoraFile({{"unet.mid.attn1.to_q.lora_A.weight", down},
                                  {"unet.mid.attn1.to_q.lora_B.weight", up},
                                  {"unet.mid.attn1.to_q.alpha", at::ones({2})}})),
              HasSubstr("its alpha is not one number"));
}

// SDXL's UNet has its layers' names from guided diffusion in kohya's files, and its second text encoder's are
// told from the first's.
TEST(Lora, KnowsTheLayersOfSdxl) {
  LayerWeights layers;
  for (const char* name :
       {"unet.conv_in", "unet.time_embedding.linear_2", "unet.add_embedding.linear_1",
        "unet.down_blocks.0.resnets.0.conv1", "unet.down_blocks.0.resnets.1.conv1",
        "unet.down_blocks.0.downsamplers.0.conv", "unet.down_blocks.1.resnets.0.time_emb_proj",
        "unet.down_blocks.1.attentions.1.proj_in", "unet.mid_block.attentions.0.proj_out",
        "unet.mid_block.resnets.1.conv2", "unet.up_blocks.0.attentions.0.proj_in",
        "unet.up_blocks.0.upsamplers.0.conv", "unet.up_blocks.1.upsamplers.0.conv",
        "unet.up_blocks.1.resnets.2.conv_shortcut", "unet.conv_out", "text_encoder.fc1",
        "text_encoder_2.fc1"}) {
    layers[name] = at::zeros({6, 4});
  }
  const std::map<std::string, std::string> names = {
      {"lora_unet_input_blocks_0_0", "unet.conv_in"},
      {"lora_unet_time_embed_2", "unet.time_embedding.linear_2"},
      {"lora_unet_label_emb_0_0", "unet.add_embedding.linear_1"},
      {"lora_unet_input_blocks_2_0_in_layers_2", "unet.down_blocks.0.resnets.1.conv1"},
      {"lora_unet_input_blocks_3_0_op", "unet.down_blocks.0.downsamplers.0.conv"},
      {"lora_unet_input_blocks_4_0_emb_layers_1", "unet.down_blocks.1.resnets.0.time_emb_proj"},
      {"lora_unet_input_blocks_5_1_proj_in", "unet.down_blocks.1.attentions.1.proj_in"},
      {"lora_unet_middle_block_1_proj_out", "unet.mid_block.attentions.0.proj_out"},
      {"lora_unet_middle_block_2_out_layers_3", "unet.mid_block.resnets.1.conv2"},
      {"lora_unet_output_blocks_0_1_proj_in", "unet.up_blocks.0.attentions.0.proj_in"},
      {"lora_unet_output_blocks_2_2_conv", "unet.up_blocks.0.upsamplers.0.conv"},
      {"lora_unet_output_blocks_5_1_conv", "unet.up_blocks.1.upsamplers.0.conv"},
      {"lora_unet_output_blocks_5_0_skip_connection", "unet.up_blocks.1.resnets.2.conv_shortcut"},
      {"lora_unet_out_2", "unet.conv_out"},
      {"lora_te1_fc1", "text_encoder.fc1"},
      {"lora_te2_fc1", "text_encoder_2.fc1"}};
  for (const auto& [theirs, ours] : names) {
    const auto updates = FromLora(LoraFile({{theirs + ".lora_down.weight", at::ones({2, 4})},
                                            {theirs + ".lora_up.weight", at::ones({6, 2})}}),
                                  layers);
    EXPECT_EQ(updates.begin()->first, ours) << theirs;
  }
}

// Each kind, small enough to be multiplied out by hand.
TEST(Lora, KindsMakeTheDifferenceThatTheyAreDefinedBy) {
  const LayerWeights layers = {{"unet.l", at::tensor({3.0F, 0.0F, 0.0F, 4.0F}).view({2, 2})}};
  const auto delta = [&](std::map<std::string, at::Tensor> parts) {
    std::map<std::string, at::Tensor> named;
    for (const auto& [part, tensor] : parts) named["unet.l." + part] = tensor;
    return FromLora(LoraFile(std::move(named)), layers).at("unet.l");
  };
  const auto matrix = [](float a, float b, float c, float d) {
    return at::tensor({a, b, c, d}).view({2, 2});
  };
  const at::Tensor column = at::tensor({1.0F, 2.0F}).view({2, 1}),
                   row = at::tensor({3.0F, 1.0F}).view({1, 2});
  // (column · row) squared number by number, alpha 2 of rank 1.
  EXPECT_TRUE(at::equal(delta({{"hada_w1_a", column},
                               {"hada_w1_b", row},
                               {"hada_w2_a", column},
                               {"hada_w2_b", row},
                               {"alpha", at::full({}, 2.0)}})
                            .delta,
                        matrix(18, 2, 72, 8)));
  EXPECT_TRUE(at::equal(delta({{"lokr_w1", at::full({1, 1}, 2.0F)}, {"lokr_w2", matrix(1, 2, 3, 4)}}).delta,
                        matrix(2, 4, 6, 8)));
  // Of whole factors alpha says nothing; where one is of low rank it does.
  EXPECT_TRUE(at::equal(delta({{"lokr_w1", at::full({1, 1}, 2.0F)},
                               {"lokr_w2", matrix(1, 2, 3, 4)},
                               {"alpha", at::full({}, 8.0)}})
                            .delta,
                        matrix(2, 4, 6, 8)));
  EXPECT_TRUE(at::equal(delta({{"lokr_w1", at::full({1, 1}, 2.0F)},
                               {"lokr_w2_a", column},
                               {"lokr_w2_b", row},
                               {"alpha", at::full({}, 8.0)}})
                            .delta,
                        matrix(48, 16, 96, 32)));
  const StoredUpdate full = delta({{"diff", matrix(1, 2, 3, 4)}, {"diff_b", at::tensor({5.0F, 6.0F})}});
  EXPECT_TRUE(at::equal(full.delta, matrix(1, 2, 3, 4)));
  EXPECT_TRUE(at::equal(full.bias, at::tensor({5.0F, 6.0F})));
  // The weight and its update are [[3, 4], [0, 4]]: rows of norm 5 and 4 brought to 10 and 4.
  const StoredUpdate by_row =
      delta({{"diff", matrix(0, 4, 0, 0)}, {"dora_scale", at::tensor({10.0F, 4.0F}).view({2, 1})}});
  EXPECT_TRUE(at::allclose(by_row.delta, matrix(6 - 3, 8, 0, 0)));
  // Columns of norm 3 and √32 brought to 6 and √32.
  const StoredUpdate by_column = delta(
      {{"diff", matrix(0, 4, 0, 0)}, {"dora_scale", at::tensor({6.0F, std::sqrt(32.0F)}).view({1, 2})}});
  EXPECT_TRUE(at::allclose(by_column.delta, matrix(6 - 3, 4, 0, 0)));
}

// What a layer computes with an update is what it would compute with the sum of the weights.
TEST(Lora, WholeDifferencesActAsIfMerged) {
  const c10::InferenceMode inference;
  struct Kept : ParameterSource {
    bool Has(const std::string&) const override { return false; }
    at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
      at::Tensor tensor = source.Take(name, shape);
      if (shape.size() > 1) weight = tensor;
      return tensor;
    }
    FreshParameters source{FreshParameters::Values::kRandom, 3};
    at::Tensor weight;
  } kept;
  const Conv2d conv(Scope(kept), 3, 5, {.kernel = 3, .stride = 2, .padding = 1});
  const auto adapter = std::make_shared<Adapter>();
  const at::Tensor delta = at::randn(kept.weight.sizes()), bias = at::randn({5}), x = at::randn({2, 3, 8, 6});
  adapter->Set(kept.weight, {.down = {}, .up = {}, .factor = 1, .delta = delta, .bias = bias});
  const at::Tensor plain = conv(x);
  const AdapterScope scope({{{adapter, 0.5}}, {}});
  const at::Tensor adapted = conv(x);
  const at::Tensor merged = at::conv2d(x, kept.weight + 0.5 * delta, 0.5 * bias, 2, 1);
  EXPECT_TRUE(at::allclose(adapted[0], merged[0], 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(adapted[1], plain[1]));
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
