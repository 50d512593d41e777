// SDXL in small, with random weights: a model directory to load, serve and draw with.
#ifndef MIND_TESTS_SUPPORT_TINY_XL_H_
#define MIND_TESTS_SUPPORT_TINY_XL_H_

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/control_net.h"
#include "worker/diffusion/models/t2i_adapter.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/weights/fresh_parameters.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {

struct TinyXlOptions {
  bool refiner = false;        // the second text encoder alone, and an aesthetic score
  bool inpaint = false;        // sees mask and masked picture
  bool edit = false;           // sees the picture that it changes
  bool steered = false;        // has networks beside it: the ControlNet "edges", the T2I-Adapter "sketch"
  int64_t guidance_width = 0;  // more than 0: a student that is told the guidance scale
};

class TinyXl {
 public:
  // Writes it into `directory`, which it makes. `tokenizer`: a CLIP tokenizer's directory, used for both
  // encoders.
  static void Write(const std::string& directory, const std::string& tokenizer,
                    const TinyXlOptions& options = {}) {
    TinyXl(directory, tokenizer, options).WriteAll();
  }

 private:
  // Random parameters, kept by name.
  class Recorded : public ParameterSource {
   public:
    explicit Recorded(uint64_t seed) : fresh_(FreshParameters::Values::kRandom, seed) {}
    bool Has(const std::string& name) const override { return name.find(".to_") != std::string::npos; }
    at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
      return tensors_[name] = fresh_.Take(name, shape);
    }
    const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }

   private:
    FreshParameters fresh_;
    std::map<std::string, at::Tensor> tensors_;
  };

  TinyXl(std::string directory, std::string tokenizer, const TinyXlOptions& options)
      : directory_(std::move(directory)), tokenizer_(std::move(tokenizer)), options_(options) {}

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
    WriteAutoencoder();
    WriteJson("scheduler", "scheduler_config.json",
              {{"_class_name", "EulerDiscreteScheduler"},
               {"beta_start", 0.00085},
               {"beta_end", 0.012},
               {"beta_schedule", "scaled_linear"},
               {"timestep_spacing", "leading"},
               {"steps_offset", 1}});
  }

  void WriteText(const std::string& name, const std::string& tokenizer, int64_t width, bool projects,
                 uint64_t seed) const {
    namespace fs = std::filesystem;
    fs::copy(tokenizer_, fs::path(directory_) / tokenizer, fs::copy_options::recursive);
    int64_t largest = 0;
    const nlohmann::json vocabulary = nlohmann::json::parse(std::ifstream(tokenizer_ + "/vocab.json"));
    for (const auto& [token, id] : vocabulary.items()) largest = std::max(largest, id.get<int64_t>());
    nlohmann::json config = {
        {"model_type", "clip_text_model"}, {"vocab_size", largest + 1}, {"hidden_size", width},
        {"intermediate_size", 4 * width},  {"num_hidden_layers", 3},    {"num_attention_heads", 2},
        {"max_position_embeddings", 77},   {"hidden_act", "gelu"},      {"eos_token_id", 2},
        {"projection_dim", width}};
    config["architectures"] = {projects ? "CLIPTextModelWithProjection" : "CLIPTextModel"};
    Recorded parameters(seed);
    const ClipText encoder(Scope(parameters), ClipTextConfig::From(Config(config, name)));
    WriteComponent(name, "model", config, parameters);
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

  void WriteAutoencoder() const {
    const nlohmann::json config = {{"_class_name", "AutoencoderKL"},
                                   {"block_out_channels", {4, 8}},
                                   {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                                   {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                                   {"norm_num_groups", 4},
                                   {"scaling_factor", 0.13025},
                                   {"force_upcast", true}};
    Recorded parameters(4);
    const AutoencoderKl autoencoder(Scope(parameters), AutoencoderConfig::From(Config(config, "vae")));
    WriteComponent("vae", "diffusion_pytorch_model", config, parameters);
  }

  void WriteComponent(const std::string& name, const std::string& stem, const nlohmann::json& config,
                      const Recorded& parameters) const {
    WriteJson(name, "config.json", config);
    std::ofstream(directory_ + "/" + name + "/" + stem + ".safetensors", std::ios::binary)
        << SerializeSafeTensors(parameters.tensors());
  }

  void WriteJson(const std::string& folder, const std::string& file, const nlohmann::json& json) const {
    std::filesystem::create_directories(directory_ + "/" + folder);
    std::ofstream(directory_ + "/" + folder + "/" + file) << json.dump(1) << "\n";
  }

  const std::string directory_, tokenizer_;
  const TinyXlOptions options_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_XL_H_
