// The published models have exactly their published numbers of parameters.
#include "tests/support/full_size.h"

#include <gtest/gtest.h>

#include "worker/diffusion/models/control_net.h"
#include "worker/diffusion/models/flux2_transformer.h"
#include "worker/diffusion/models/flux_transformer.h"
#include "worker/diffusion/models/movq.h"
#include "worker/diffusion/models/picture_projection.h"
#include "worker/diffusion/models/picture_prompt.h"
#include "worker/diffusion/models/prior_transformer.h"
#include "worker/diffusion/models/qwen_image_transformer.h"
#include "worker/diffusion/models/qwen_text.h"
#include "worker/diffusion/models/qwen_vision.h"
#include "worker/diffusion/models/sd3_transformer.h"
#include "worker/diffusion/models/t2i_adapter.h"
#include "worker/diffusion/models/t5_text.h"
#include "worker/diffusion/models/transformer_paths.h"
#include "worker/diffusion/models/z_image_transformer.h"

namespace mind::diffusion {
namespace {

TEST(FullSize, ParametersAreAsManyAsPublished) {
  for (const FullSize& model : FullSizeModels()) {
    FreshParameters parameters(FreshParameters::Values::kNone);
    model.make(parameters);
    EXPECT_EQ(parameters.count(), model.parameters) << model.name;
  }
}

template <typename Network, typename NetworkConfig>
int64_t CountOf(const std::string& json) {
  FreshParameters parameters(FreshParameters::Values::kNone);
  const Network network(Scope(parameters),
                        NetworkConfig::From(Config(nlohmann::json::parse(json), "network")));
  return parameters.count();
}

// The counts below are those of the reference's modules, built from the published configurations.

constexpr char kUnclipBlocks[] = R"("layers_per_block": 3, "block_out_channels": [320, 640, 960, 1280], )";

TEST(FullSize, KarloPrior) {
  const int64_t count = CountOf<PriorTransformer, PriorTransformerConfig>(R"({
    "_class_name": "PriorTransformer", "num_attention_heads": 32, "attention_head_dim": 64, "num_layers": 20,
    "embedding_dim": 768, "num_embeddings": 77, "additional_embeddings": 4})");
  EXPECT_EQ(count, 1022030080);
}

TEST(FullSize, KarloDecoder) {
  const int64_t count = CountOf<UNet, UNetConfig>(std::string("{") + kUnclipBlocks + R"(
    "_class_name": "UNet2DConditionModel", "in_channels": 3, "out_channels": 6, "sample_size": 64,
    "cross_attention_dim": 1536, "class_embed_type": "identity", "attention_head_dim": 64,
    "resnet_time_scale_shift": "scale_shift", "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "down_block_types": ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D",
                         "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"],
    "up_block_types": ["SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D",
                       "ResnetUpsampleBlock2D"]})");
  EXPECT_EQ(count, 885439686);
}

TEST(FullSize, KarloProjection) {
  const int64_t count = CountOf<PictureProjection, PictureProjectionConfig>(R"({
    "clip_extra_context_tokens": 4, "clip_embeddings_dim": 768, "time_embed_dim": 1280,
    "cross_attention_dim": 1536})");
  EXPECT_EQ(count, 7878400);
}

// Of each of its two networks.
TEST(FullSize, KarloSuperResolution) {
  const int64_t count = CountOf<UNet, UNetConfig>(std::string("{") + kUnclipBlocks + R"(
    "_class_name": "UNet2DModel", "in_channels": 6, "out_channels": 3, "sample_size": 256,
    "add_attention": false,
    "down_block_types": ["ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D",
                         "ResnetDownsampleBlock2D"],
    "up_block_types": ["ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D",
                       "ResnetUpsampleBlock2D"]})");
  EXPECT_EQ(count, 691579523);
}

// stable-diffusion-2-1-unclip, and its small one.
TEST(FullSize, StableUnclip) {
  const auto count = [](const std::string& embedding) {
    return CountOf<UNet, UNetConfig>(R"({
      "_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "sample_size": 96,
      "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
      "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": true,
      "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                           "DownBlock2D"],
      "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
      "class_embed_type": "projection", "projection_class_embeddings_input_dim": )" +
                                     embedding + "}");
  };
  EXPECT_EQ(count("2048"), 870173124);
  EXPECT_EQ(count("1536"), 869517764);
}

// Of prompts and pictures, and for inpainting.
TEST(FullSize, KandinskyDecoder) {
  const auto count = [](const std::string& channels) {
    return CountOf<UNet, UNetConfig>(R"({
      "_class_name": "UNet2DConditionModel", "out_channels": 8, "sample_size": 64, "layers_per_block": 3,
      "block_out_channels": [384, 768, 1152, 1536], "attention_head_dim": 64, "cross_attention_dim": 768,
      "encoder_hid_dim": 1280, "encoder_hid_dim_type": "image_proj", "addition_embed_type": "image",
      "resnet_time_scale_shift": "scale_shift", "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
      "down_block_types": ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D",
                           "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"],
      "up_block_types": ["SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D",
                         "ResnetUpsampleBlock2D"], "in_channels": )" +
                                     channels + "}");
  };
  EXPECT_EQ(count("4"), 1253057288);
  EXPECT_EQ(count("9"), 1253074568);
}

TEST(FullSize, KandinskyPrior) {
  const int64_t count = CountOf<PriorTransformer, PriorTransformerConfig>(R"({
    "_class_name": "PriorTransformer", "num_attention_heads": 32, "attention_head_dim": 64, "num_layers": 20,
    "embedding_dim": 1280, "num_embeddings": 77, "additional_embeddings": 4})");
  EXPECT_EQ(count, 1026225920);
}

TEST(FullSize, Movq) {
  const int64_t count = CountOf<Movq, MovqConfig>(R"({
    "_class_name": "VQModel", "norm_type": "spatial", "latent_channels": 4, "vq_embed_dim": 4,
    "num_vq_embeddings": 16384, "layers_per_block": 2, "norm_num_groups": 32,
    "block_out_channels": [128, 256, 256, 512],
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D",
                         "AttnDownEncoderBlock2D"],
    "up_block_types": ["AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D",
                       "UpDecoderBlock2D"]})");
  EXPECT_EQ(count, 67832495);
}

// DeepFloyd-IF's first stages XL, L and M, and the text encoder of all.
TEST(FullSize, DeepFloydIf) {
  const auto count = [](const std::string& channels, const std::string& context_width) {
    return CountOf<UNet, UNetConfig>(R"({
      "_class_name": "UNet2DConditionModel", "in_channels": 3, "out_channels": 6, "sample_size": 64,
      "layers_per_block": 3, "attention_head_dim": 64, "act_fn": "gelu", "encoder_hid_dim": 4096,
      "addition_embed_type": "text", "cross_attention_norm": "group_norm",
      "resnet_time_scale_shift": "scale_shift", "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
      "down_block_types": ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D",
                           "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"],
      "up_block_types": ["SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D",
                         "ResnetUpsampleBlock2D"],
      "block_out_channels": )" + channels +
                                     R"(, "cross_attention_dim": )" + context_width + "}");
  };
  EXPECT_EQ(count("[704, 1408, 2112, 2816]", "2816"), 4304695110);
  EXPECT_EQ(count("[320, 640, 960, 1280]", "1280"), 935365830);
  EXPECT_EQ(count("[192, 384, 576, 768]", "768"), 371605830);
  const int64_t text = CountOf<T5Text, T5TextConfig>(R"({
    "model_type": "t5", "vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24,
    "num_heads": 64})");
  EXPECT_EQ(text, 4762310656);
}

// Its second stage, L.
TEST(FullSize, DeepFloydIfEnlarger) {
  const int64_t count = CountOf<UNet, UNetConfig>(R"({
      "_class_name": "UNet2DConditionModel", "in_channels": 6, "out_channels": 6, "sample_size": 256,
      "block_out_channels": [160, 320, 640, 960, 1280], "layers_per_block": [2, 2, 3, 5, 5],
      "attention_head_dim": 64, "act_fn": "gelu", "encoder_hid_dim": 4096, "cross_attention_dim": 1280,
      "addition_embed_type": "text", "cross_attention_norm": "group_norm", "class_embed_type": "timestep",
      "time_embedding_dim": 1280, "time_embedding_act_fn": "gelu", "resnet_skip_time_act": true,
      "resnet_out_scale_factor": 1.4142271248762552, "mid_block_scale_factor": 1.4142271248762552,
      "resnet_time_scale_shift": "scale_shift", "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
      "down_block_types": ["ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D",
                           "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"],
      "up_block_types": ["SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D",
                         "ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"]})");
  EXPECT_EQ(count, 1243277190);
}

TEST(FullSize, ZImage) {
  const int64_t count = CountOf<ZImageTransformer, ZImageTransformerConfig>(
      R"({"_class_name": "ZImageTransformer2DModel", "siglip_feat_dim": null})");
  EXPECT_EQ(count, 6154908736);
}

// Qwen3-4B, and what reads text of Qwen2.5-VL-7B: that has 8292166656 with what sees pictures and what
// guesses words.
TEST(FullSize, Qwen) {
  const auto count = [](const std::string& json) { return CountOf<QwenText, QwenTextConfig>(json); };
  EXPECT_EQ(count(R"({"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 2560,
                      "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
                      "num_key_value_heads": 8, "head_dim": 128})"),
            4022468096);
  EXPECT_EQ(count(R"({"model_type": "qwen2_5_vl", "vocab_size": 152064, "hidden_size": 3584,
                      "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
                      "num_key_value_heads": 4, "rope_scaling": {"type": "mrope",
                      "mrope_section": [16, 24, 24]}})"),
            8292166656 - 676550144 - 152064 * 3584);
}

// FLUX.1 dev and schnell.
TEST(FullSize, Flux) {
  const auto count = [](const std::string& keys) {
    return CountOf<FluxTransformer, FluxConfig>(R"({"_class_name": "FluxTransformer2DModel", )" + keys + "}");
  };
  EXPECT_EQ(count(R"("guidance_embeds": true)"), 11901408320);
  EXPECT_EQ(count(R"("guidance_embeds": false)"), 11891178560);
}

// FLUX.2 klein 4B and 9B, and dev, whose network is the same.
TEST(FullSize, Flux2) {
  const auto count = [](const std::string& keys) {
    return CountOf<Flux2Transformer, Flux2Config>(R"({"_class_name": "Flux2Transformer2DModel", )" + keys +
                                                  "}");
  };
  EXPECT_EQ(count(R"("num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24,
                     "joint_attention_dim": 7680, "guidance_embeds": false)"),
            3875544576);
  EXPECT_EQ(count(R"("num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32,
                     "joint_attention_dim": 12288, "guidance_embeds": false)"),
            9078581248);
  EXPECT_EQ(count(R"("guidance_embeds": true)"), 32223281152);
}

// Of 3 medium, 3.5 medium and 3.5 large, with the table of positions that their files hold.
TEST(FullSize, StableDiffusion3) {
  const auto count = [](const std::string& keys) {
    return CountOf<Sd3Transformer, Sd3Config>(
        R"({"_class_name": "SD3Transformer2DModel", "joint_attention_dim": 4096, "pooled_projection_dim": 2048, )" +
        keys + "}");
  };
  EXPECT_EQ(count(R"("num_layers": 24, "num_attention_heads": 24, "pos_embed_max_size": 192)"), 2084951104);
  EXPECT_EQ(count(R"("num_layers": 24, "num_attention_heads": 24, "pos_embed_max_size": 384,
                     "dual_attention_layers": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
                     "qk_norm": "rms_norm")"),
            2469663936);
  EXPECT_EQ(count(R"("num_layers": 38, "num_attention_heads": 38, "pos_embed_max_size": 192,
                     "qk_norm": "rms_norm")"),
            8146280768);
}

TEST(FullSize, ControlNets) {
  const int64_t sd15 = CountOf<ControlNet, ControlNetConfig>(R"({
    "_class_name": "ControlNetModel", "in_channels": 4, "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2, "attention_head_dim": 8, "cross_attention_dim": 768,
    "conditioning_embedding_out_channels": [16, 32, 96, 256],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                         "DownBlock2D"]})");
  EXPECT_EQ(sd15, 361279120);
  const int64_t xl = CountOf<ControlNet, ControlNetConfig>(R"({
    "_class_name": "ControlNetModel", "in_channels": 4, "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2, "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048,
    "use_linear_projection": true, "transformer_layers_per_block": [1, 2, 10],
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816, "conditioning_embedding_out_channels": [16, 32, 96, 256],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]})");
  EXPECT_EQ(xl, 1251014160);
}

// ControlNet++ of SDXL as first published, of six kinds of pictures, and later of eight.
TEST(FullSize, UnionControlNets) {
  const auto count = [](const std::string& kinds) {
    return CountOf<ControlNet, ControlNetConfig>(R"({
      "_class_name": "ControlNetUnionModel", "in_channels": 4, "block_out_channels": [320, 640, 1280],
      "layers_per_block": 2, "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048,
      "use_linear_projection": true, "transformer_layers_per_block": [1, 2, 10],
      "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
      "projection_class_embeddings_input_dim": 2816, "conditioning_embedding_out_channels": [16, 32, 96, 256],
      "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
      "num_control_type": )" + kinds + "}");
  };
  EXPECT_EQ(count("6"), 1255958800);
  EXPECT_EQ(count("8"), 1256614800);
}

// The plain IP-Adapters of a UNet, as files have them: parameters that nobody touches.
class PlainAdapter {
 public:
  PlainAdapter(const UNetConfig& unet, int64_t embedding) : unet_(unet), embedding_(embedding) {
    const int64_t width = unet.context_width;
    Add("image_proj.proj.weight", {kTokens * width, embedding});
    Add("image_proj.proj.bias", {kTokens * width});
    Add("image_proj.norm.weight", {width});
    Add("image_proj.norm.bias", {width});
    // Down, up, then the middle; self-attentions have the even numbers.
    std::vector<std::string> layers, middle;
    for (const std::string& path : CrossAttentions(unet))
      (path.starts_with("mid") ? middle : layers).push_back(path);
    layers.insert(layers.end(), middle.begin(), middle.end());
    for (size_t i = 0; i < layers.size(); ++i) {
      for (const char* const part : {".to_k_ip.weight", ".to_v_ip.weight"})
        Add("ip_adapter." + std::to_string(2 * i + 1) + part, {ChannelsOf(layers[i]), width});
    }
  }

  int64_t parameters() const { return parameters_; }
  // Throws ModelError where a prompter does not take it.
  PicturePrompter Load() const {
    ClipVisionConfig vision;
    vision.projection = embedding_;
    return PicturePrompter(stored_, "adapter", {}, unet_, vision);
  }

 private:
  static constexpr int64_t kTokens = 4;

  void Add(const std::string& name, at::IntArrayRef shape) {
    stored_.tensors[name] = at::empty(shape, at::kFloat);
    parameters_ += stored_.tensors[name].numel();
  }
  int64_t ChannelsOf(const std::string& path) const {
    const auto level = [&path] { return std::stoul(path.substr(path.find('.') + 1)); };
    if (path.starts_with("down")) return unet_.levels[level()].channels;
    return path.starts_with("up") ? unet_.levels[unet_.levels.size() - 1 - level()].channels
                                  : unet_.levels.back().channels;
  }

  const UNetConfig unet_;
  const int64_t embedding_;
  NamedTensors stored_;
  int64_t parameters_ = 0;
};

TEST(FullSize, PlainIpAdapters) {
  const auto unet = [](const char* json) {
    return UNetConfig::From(Config(nlohmann::json::parse(json), "unet"));
  };
  const PlainAdapter sd15(unet(R"({"_class_name": "UNet2DConditionModel", "cross_attention_dim": 768,
    "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "attention_head_dim": 8,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                         "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]})"),
                          1024);
  EXPECT_EQ(sd15.parameters(), 22319616);
  EXPECT_EQ(sd15.Load().layers().size(), 16U);
  const PlainAdapter xl(unet(R"({"_class_name": "UNet2DConditionModel", "cross_attention_dim": 2048,
    "block_out_channels": [320, 640, 1280], "layers_per_block": 2, "attention_head_dim": [5, 10, 20],
    "use_linear_projection": true, "transformer_layers_per_block": [1, 2, 10],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]})"),
                        1280);
  EXPECT_EQ(xl.parameters(), 351285248);
  EXPECT_EQ(xl.Load().layers().size(), 70U);
}

TEST(FullSize, T2iAdapters) {
  const auto count = [](const std::string& json) { return CountOf<T2iAdapter, T2iAdapterConfig>(json); };
  EXPECT_EQ(count(R"({"_class_name": "T2IAdapter", "adapter_type": "full_adapter", "in_channels": 3,
                      "channels": [320, 640, 1280, 1280], "num_res_blocks": 2, "downscale_factor": 8})"),
            77369280);
  EXPECT_EQ(count(R"({"_class_name": "T2IAdapter", "adapter_type": "full_adapter_xl", "in_channels": 3,
                      "channels": [320, 640, 1280, 1280], "num_res_blocks": 2, "downscale_factor": 16})"),
            79028160);
}

// Qwen-Image's denoiser, and what Qwen 2.5-VL 7B, its text encoder, sees pictures through.
TEST(FullSize, QwenImage) {
  const int64_t transformer = CountOf<QwenImageTransformer, QwenImageConfig>(R"({
    "_class_name": "QwenImageTransformer2DModel", "in_channels": 64, "out_channels": 16, "num_layers": 60,
    "num_attention_heads": 24, "attention_head_dim": 128, "joint_attention_dim": 3584, "patch_size": 2,
    "axes_dims_rope": [16, 56, 56]})");
  EXPECT_EQ(transformer, 20430401088);
  const int64_t vision = CountOf<QwenVision, QwenVisionConfig>(R"({"vision_config": {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
    "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]}})");
  EXPECT_EQ(vision, 676550144);
}

}  // namespace
}  // namespace mind::diffusion
