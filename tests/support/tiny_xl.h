// SDXL in small, with random weights: a model directory to load, serve and draw with.
#ifndef MIND_TESTS_SUPPORT_TINY_XL_H_
#define MIND_TESTS_SUPPORT_TINY_XL_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_model.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/control_net.h"
#include "worker/diffusion/models/t2i_adapter.h"
#include "worker/diffusion/models/transformer_paths.h"
#include "worker/diffusion/models/unet.h"

namespace mind::diffusion {

struct TinyXlOptions {
  bool refiner = false;        // the second text encoder alone, and an aesthetic score
  bool inpaint = false;        // sees mask and masked picture
  bool edit = false;           // sees the picture that it changes
  bool steered = false;        // has networks beside it: the ControlNet "edges", the T2I-Adapter "sketch"
  bool fused = false;          // has the ControlNet "many" beside it, which knows four kinds of pictures
  bool prompted = false;       // has the IP-Adapters "plain" and "full" beside it
  int64_t guidance_width = 0;  // more than 0: a student that is told the guidance scale
};

class TinyXl : private TinyModel {
 public:
  // Writes it into `directory`, which it makes. `tokenizer`: a CLIP tokenizer's directory, used for both
  // encoders.
  static void Write(const std::string& directory, const std::string& tokenizer,
                    const TinyXlOptions& options = {}) {
    TinyXl(directory, tokenizer, options).WriteAll();
  }

 private:
  TinyXl(std::string directory, std::string tokenizer, const TinyXlOptions& options)
      : TinyModel(std::move(directory), std::move(tokenizer)), options_(options) {}

  void WriteAll() const {
    const c10::InferenceMode inference;
    const int64_t width_1 = 16, width_2 = 24, frame = 8;
    nlohmann::json index = {{"_class_name", options_.refiner   ? "StableDiffusionXLImg2ImgPipeline"
                                            : options_.inpaint ? "StableDiffusionXLInpaintPipeline"
                                            : options_.edit    ? "StableDiffusionXLInstructPix2PixPipeline"
                                                               : "StableDiffusionXLPipeline"},
                            {"force_zeros_for_empty_prompt", !options_.refiner}};
    WriteJson("", "model_index.json", index);
    if (!options_.refiner) WriteText("text_encoder", "tokenizer", width_1, /*projects=*/false, 1);
    WriteText("text_encoder_2", "tokenizer_2", width_2, /*projects=*/true, 2);
    nlohmann::json unet = {
        {"_class_name", "UNet2DConditionModel"},
        {"in_channels", options_.inpaint ? 9
                        : options_.edit  ? 8
                                         : 4},
        {"out_channels", 4},
        {"sample_size", 16},
        {"block_out_channels", {8, 16}},
        {"layers_per_block", 1},
        {"attention_head_dim", {1, 2}},
        {"transformer_layers_per_block", {1, 2}},
        {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D"}},
        {"up_block_types", {"CrossAttnUpBlock2D", "UpBlock2D"}},
        {"norm_num_groups", 4},
        {"use_linear_projection", true},
        {"cross_attention_dim", (options_.refiner ? 0 : width_1) + width_2},
        {"addition_embed_type", "text_time"},
        {"addition_time_embed_dim", frame},
        {"projection_class_embeddings_input_dim", width_2 + (options_.refiner ? 5 : 6) * frame}};
    if (options_.guidance_width > 0) unet["time_cond_proj_dim"] = options_.guidance_width;
    Recorded parameters(3);
    const UNet network(Scope(parameters), UNetConfig::From(Config(unet, "unet")));
    WriteComponent("unet", "diffusion_pytorch_model", unet, parameters);
    if (options_.steered) WriteControls(unet);
    if (options_.fused) WriteUnion(unet);
    if (options_.prompted) WritePictureAdapters(UNetConfig::From(Config(unet, "unet")));
    WriteAutoencoder();
    WriteJson("scheduler", "scheduler_config.json",
              {{"_class_name", "EulerDiscreteScheduler"},
               {"beta_start", 0.00085},
               {"beta_end", 0.012},
               {"beta_schedule", "scaled_linear"},
               {"timestep_spacing", "leading"},
               {"steps_offset", 1}});
  }

  void WritePictureAdapters(const UNetConfig& unet) const {
    const int64_t patches = 16, embedding = 12, tokens = 2, width = unet.context_width;
    const nlohmann::json encoder = {{"model_type", "clip_vision_model"},
                                    {"image_size", 16},
                                    {"patch_size", 8},
                                    {"hidden_size", patches},
                                    {"intermediate_size", 32},
                                    {"num_hidden_layers", 2},
                                    {"num_attention_heads", 2},
                                    {"projection_dim", embedding}};
    WriteNetwork<ClipVision, ClipVisionConfig>("ip_adapters/image_encoder", "model", encoder, 8);
    for (const std::string name : {"plain", "full"}) {
      Recorded parameters(9);
      if (name == "plain") {
        parameters.Take("image_proj.proj.weight", {tokens * width, embedding});
        parameters.Take("image_proj.proj.bias", {tokens * width});
        parameters.Take("image_proj.norm.weight", {width});
        parameters.Take("image_proj.norm.bias", {width});
      } else {
        parameters.Take("image_proj.proj.0.weight", {patches, patches});
        parameters.Take("image_proj.proj.0.bias", {patches});
        parameters.Take("image_proj.proj.2.weight", {width, patches});
        parameters.Take("image_proj.proj.2.bias", {width});
        parameters.Take("image_proj.proj.3.weight", {width});
        parameters.Take("image_proj.proj.3.bias", {width});
      }
      for (size_t i = 0; i < CrossAttentions(unet).size(); ++i) {
        for (const char* const part : {".to_k_ip.weight", ".to_v_ip.weight"})
          parameters.Take("ip_adapter." + std::to_string(2 * i + 1) + part,
                          {unet.levels.back().channels, width});
      }
      WriteTensors("ip_adapters/" + name, parameters);
    }
  }

  void WriteUnion(nlohmann::json unet) const {
    unet["_class_name"] = "ControlNetUnionModel";
    unet.erase("up_block_types");
    unet["conditioning_embedding_out_channels"] = {4, 8};
    unet["num_control_type"] = 4;
    unet["num_trans_channel"] = unet["num_proj_channel"] = 8;
    WriteNetwork<ControlNet, ControlNetConfig>("controls/many", "diffusion_pytorch_model", unet, 7);
  }

  void WriteControls(nlohmann::json unet) const {
    unet["_class_name"] = "ControlNetModel";
    unet.erase("up_block_types");
    unet["conditioning_embedding_out_channels"] = {4, 8};
    Recorded edges(5);
    const ControlNet network(Scope(edges), ControlNetConfig::From(Config(unet, "edges")));
    WriteComponent("controls/edges", "diffusion_pytorch_model", unet, edges);
    const nlohmann::json config = {{"_class_name", "T2IAdapter"},
                                   {"adapter_type", "full_adapter_xl"},
                                   {"channels", {8, 16}},
                                   {"num_res_blocks", 1},
                                   {"downscale_factor", 4}};
    Recorded sketch(6);
    const T2iAdapter adapter(Scope(sketch), T2iAdapterConfig::From(Config(config, "sketch")));
    WriteComponent("controls/sketch", "diffusion_pytorch_model", config, sketch);
  }

  const TinyXlOptions options_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_XL_H_
