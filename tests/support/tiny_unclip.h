// unCLIP's models in small, with random weights: Karlo and Stable unCLIP, of a prompt or of a picture.
#ifndef MIND_TESTS_SUPPORT_TINY_UNCLIP_H_
#define MIND_TESTS_SUPPORT_TINY_UNCLIP_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_model.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/picture_projection.h"
#include "worker/diffusion/models/prior_transformer.h"
#include "worker/diffusion/models/unet.h"

namespace mind::diffusion {

struct TinyUnclipOptions {
  bool stable = false;  // Stable unCLIP; else Karlo
  bool varies = false;  // has an image encoder, no prior
};

class TinyUnclip : private TinyModel {
 public:
  // Writes it into `directory`, which it makes. `tokenizer`: a CLIP tokenizer's directory.
  static void Write(const std::string& directory, const std::string& tokenizer,
                    const TinyUnclipOptions& options = {}) {
    const c10::InferenceMode inference;
    const TinyUnclip model(directory, tokenizer, options);
    options.stable ? model.WriteStable() : model.WriteKarlo();
    options.varies ? model.WriteImageEncoder() : model.WritePrior();
  }

 private:
  static constexpr int64_t kEmbedding = 16, kTokens = 2, kTimeWidth = 32;
  static constexpr char kWeights[] = "diffusion_pytorch_model";

  TinyUnclip(std::string directory, std::string tokenizer, const TinyUnclipOptions& options)
      : TinyModel(std::move(directory), std::move(tokenizer)), options_(options) {}

  void WriteKarlo() const {
    WriteJson("", "model_index.json",
              {{"_class_name", options_.varies ? "UnCLIPImageVariationPipeline" : "UnCLIPPipeline"}});
    WriteText("text_encoder", "tokenizer", kEmbedding, /*projects=*/true, 1);
    const nlohmann::json projection = {{"_class_name", "UnCLIPTextProjModel"},
                                       {"clip_embeddings_dim", kEmbedding},
                                       {"clip_extra_context_tokens", kTokens},
                                       {"cross_attention_dim", kEmbedding},
                                       {"time_embed_dim", kTimeWidth}};
    WriteNetwork<PictureProjection, PictureProjectionConfig>("text_proj", kWeights, projection, 2);
    const nlohmann::json decoder =
        ResizingUNet(3, 6, {{"class_embed_type", "identity"}, {"cross_attention_dim", kEmbedding}});
    WriteNetwork<UNet, UNetConfig>("decoder", kWeights, decoder, 3);
    const nlohmann::json enlarger = {
        {"_class_name", "UNet2DModel"},
        {"in_channels", 6},
        {"out_channels", 3},
        {"sample_size", 32},
        {"block_out_channels", {8, 8}},
        {"layers_per_block", 1},
        {"down_block_types", {"ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D"}},
        {"up_block_types", {"ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"}},
        {"norm_num_groups", 4},
        {"resnet_time_scale_shift", "scale_shift"},
        {"add_attention", false}};
    WriteNetwork<UNet, UNetConfig>("super_res_first", kWeights, enlarger, 4);
    WriteNetwork<UNet, UNetConfig>("super_res_last", kWeights, enlarger, 5);
    WriteScheduler("decoder_scheduler", "learned_range", "epsilon", 1);
    WriteScheduler("super_res_scheduler", "fixed_small_log", "epsilon", 1);
  }

  void WriteStable() const {
    WriteJson("", "model_index.json",
              {{"_class_name", options_.varies ? "StableUnCLIPImg2ImgPipeline" : "StableUnCLIPPipeline"}});
    WriteText("text_encoder", "tokenizer", kEmbedding, /*projects=*/false, 1);
    if (!options_.varies)
      WriteText("prior_text_encoder", "prior_tokenizer", kEmbedding, /*projects=*/true, 2);
    const nlohmann::json unet = {{"_class_name", "UNet2DConditionModel"},
                                 {"in_channels", 4},
                                 {"out_channels", 4},
                                 {"sample_size", 16},
                                 {"block_out_channels", {8, 16}},
                                 {"layers_per_block", 1},
                                 {"attention_head_dim", {1, 2}},
                                 {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D"}},
                                 {"up_block_types", {"CrossAttnUpBlock2D", "UpBlock2D"}},
                                 {"norm_num_groups", 4},
                                 {"use_linear_projection", true},
                                 {"class_embed_type", "projection"},
                                 {"projection_class_embeddings_input_dim", 2 * kEmbedding},
                                 {"cross_attention_dim", kEmbedding}};
    WriteNetwork<UNet, UNetConfig>("unet", kWeights, unet, 3);
    WriteAutoencoder();
    Recorded normalizer(6);
    normalizer.Take("mean", {1, kEmbedding});
    normalizer.Take("std", {1, kEmbedding});
    WriteComponent("image_normalizer", kWeights, {{"embedding_dim", kEmbedding}}, normalizer);
    WriteJson("image_noising_scheduler", "scheduler_config.json",
              {{"_class_name", "DDPMScheduler"}, {"beta_schedule", "squaredcos_cap_v2"}});
    WriteJson("scheduler", "scheduler_config.json",
              {{"_class_name", "DDIMScheduler"},
               {"beta_start", 0.00085},
               {"beta_end", 0.012},
               {"beta_schedule", "scaled_linear"},
               {"clip_sample", false},
               {"set_alpha_to_one", false},
               {"steps_offset", 1},
               {"prediction_type", "v_prediction"}});
  }

  void WritePrior() const {
    const nlohmann::json prior = {{"_class_name", "PriorTransformer"}, {"num_attention_heads", 2},
                                  {"attention_head_dim", 8},           {"num_layers", 2},
                                  {"embedding_dim", kEmbedding},       {"num_embeddings", 77}};
    WriteNetwork<PriorTransformer, PriorTransformerConfig>("prior", kWeights, prior, 7);
    WriteScheduler("prior_scheduler", "fixed_small_log", "sample", 5);
  }

  void WriteImageEncoder() const {
    const nlohmann::json encoder = {{"model_type", "clip_vision_model"},
                                    {"image_size", 16},
                                    {"patch_size", 8},
                                    {"hidden_size", 16},
                                    {"intermediate_size", 32},
                                    {"num_hidden_layers", 2},
                                    {"num_attention_heads", 2},
                                    {"projection_dim", kEmbedding}};
    WriteNetwork<ClipVision, ClipVisionConfig>("image_encoder", "model", encoder, 8);
    WriteJson("feature_extractor", "preprocessor_config.json",
              {{"size", {{"shortest_edge", 16}}}, {"crop_size", {{"height", 16}, {"width", 16}}}});
  }

  void WriteScheduler(const std::string& name, const char* variance, const char* prediction,
                      double range) const {
    WriteJson(name, "scheduler_config.json",
              {{"_class_name", "UnCLIPScheduler"},
               {"variance_type", variance},
               {"prediction_type", prediction},
               {"clip_sample_range", range}});
  }

  const TinyUnclipOptions options_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_UNCLIP_H_
