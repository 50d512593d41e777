// The networks of the published models, at their full size, without their weights.
#ifndef MIND_TESTS_SUPPORT_FULL_SIZE_H_
#define MIND_TESTS_SUPPORT_FULL_SIZE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/clip_scorer.h"
#include "worker/diffusion/models/diffusion_transformer.h"
#include "worker/diffusion/models/glide_text.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/decoded_scorer.h"
#include "worker/diffusion/weights/fresh_parameters.h"

namespace mind::diffusion {

struct FullSize {
  std::string name;
  int64_t parameters = 0;        // as published
  std::vector<int64_t> sample;   // [C, H, W] it was trained at, what is shown beside x included
  std::vector<int64_t> context;  // [M, width] of the encoded prompt; empty: none
  bool label = false;
  // Takes its parameters, and those of a text transformer that the published count includes.
  std::function<std::unique_ptr<Denoiser>(ParameterSource&)> make;
  int64_t pooled = 0, sizes = 0;  // numbers of the pooled prompt and of the frame's sizes; 0: none
};

inline std::vector<FullSize> FullSizeModels() {
  const auto unet = [](const char* json) {
    return [json](ParameterSource& source) -> std::unique_ptr<Denoiser> {
      return std::make_unique<UNet>(Scope(source),
                                    UNetConfig::From(Config(nlohmann::json::parse(json), "unet")));
    };
  };
  const auto glide = [](const char* json) {
    return [json](ParameterSource& source) -> std::unique_ptr<Denoiser> {
      const Config config(nlohmann::json::parse(json), "glide");
      const GlideText text(Scope(source, "text"), GlideTextConfig::From(config));
      return std::make_unique<UNet>(Scope(source, "unet"), UNetConfig::FromGlide(config));
    };
  };
  const auto transformer = [](ParameterSource& source) -> std::unique_ptr<Denoiser> {
    const Config config(nlohmann::json{{"_class_name", "DiT"}}, "dit");
    return std::make_unique<DiffusionTransformer>(Scope(source), DiffusionTransformerConfig::From(config));
  };
  // CLIP ViT-L/14 behind Stable Diffusion's decoder: a gradient instead of an answer.
  const auto scorer = [](ParameterSource& source) -> std::unique_ptr<Denoiser> {
    const c10::InferenceMode outside(false);
    ClipVisionConfig vision;
    vision.patch_size = 14;
    vision.width = 1024;
    vision.feed_forward = 4096;
    vision.layers = 24;
    vision.heads = 16;
    vision.projection = 768;
    const ClipSight sight{.mean = {0.48, 0.46, 0.41}, .deviation = {0.27, 0.26, 0.28}};
    const Config vae(nlohmann::json::parse(R"({
        "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D",
                             "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D",
                           "UpDecoderBlock2D"]})"),
                     "vae");
    return std::make_unique<DecodedScorer>(
        std::make_unique<ClipScorer>(Scope(source, "clip"), vision, sight),
        std::make_unique<AutoencoderKl>(Scope(source, "vae"), AutoencoderConfig::From(vae)), /*tile=*/64);
  };
  return {
      {"stable-diffusion-v1-5", 859520964, {4, 64, 64}, {77, 768}, false, unet(R"({
        "_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "sample_size": 64,
        "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "attention_head_dim": 8,
        "cross_attention_dim": 768,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                             "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                           "CrossAttnUpBlock2D"]})")},
      {"stable-diffusion-2-1", 865910724, {4, 96, 96}, {77, 1024}, false, unet(R"({
        "_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "sample_size": 96,
        "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
        "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": true,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                             "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                           "CrossAttnUpBlock2D"]})")},
      {"stable-diffusion-xl-base-1.0",
       2567463684,
       {4, 128, 128},
       {77, 2048},
       false,
       unet(R"({
        "_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "sample_size": 128,
        "block_out_channels": [320, 640, 1280], "layers_per_block": 2, "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048, "use_linear_projection": true, "transformer_layers_per_block": [1, 2, 10],
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]})"),
       1280,
       6},
      {"glide-base", 385030726, {3, 64, 64}, {128, 512}, false, glide(R"({
        "image_size": 64, "num_channels": 192, "num_res_blocks": 3, "channel_mult": "", "num_heads": 1,
        "num_head_channels": 64, "attention_resolutions": "32,16,8", "text_ctx": 128, "xf_width": 512,
        "xf_layers": 16, "xf_heads": 8})")},
      {"glide-upsampler", 398361286, {6, 256, 256}, {128, 512}, false, glide(R"({
        "image_size": 256, "num_channels": 192, "num_res_blocks": 2, "channel_mult": "", "num_heads": 1,
        "num_head_channels": 64, "attention_resolutions": "32,16,8", "text_ctx": 128, "xf_width": 512,
        "xf_layers": 16, "xf_heads": 8, "super_res": true})")},
      {"ddpm-cifar10-32", 35746307, {3, 32, 32}, {}, false, unet(R"({
        "_class_name": "UNet2DModel", "in_channels": 3, "out_channels": 3, "sample_size": 32,
        "block_out_channels": [128, 256, 256, 256], "layers_per_block": 2, "attention_head_dim": null,
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"]})")},
      // Published as 675M, of which 294912 are the constant table of positions, no parameter here.
      {"dit-xl-2-256", 675129632 - 294912, {4, 32, 32}, {}, true, transformer},
      // The autoencoder's, less the 92 of the two convolutions around its latents, which are there where
      // files have them; the image tower's with its projection; and the scale of the logit.
      {"sd-v1-5-scorer", 83653863 - 92 + 303966208 + 1, {4, 64, 64}, {}, false, scorer, 768},
  };
}

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_FULL_SIZE_H_
