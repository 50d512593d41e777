// What small models with random weights are written with: model directories to load, serve and draw with.
#ifndef MIND_TESTS_SUPPORT_TINY_MODEL_H_
#define MIND_TESTS_SUPPORT_TINY_MODEL_H_

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/weights/fresh_parameters.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {

class TinyModel {
 protected:
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

  // `tokenizer`: a CLIP tokenizer's directory, used for all encoders.
  TinyModel(std::string directory, std::string tokenizer)
      : directory_(std::move(directory)), tokenizer_(std::move(tokenizer)) {}

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

  // `more` keys are beside these or in their place.
  void WriteAutoencoder(const nlohmann::json& more = nlohmann::json::object()) const {
    nlohmann::json config = {{"_class_name", "AutoencoderKL"},
                             {"block_out_channels", {4, 8}},
                             {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                             {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                             {"norm_num_groups", 4},
                             {"scaling_factor", 0.13025},
                             {"force_upcast", true}};
    config.update(more);
    Recorded parameters(4);
    const AutoencoderKl autoencoder(Scope(parameters), AutoencoderConfig::From(Config(config, "vae")));
    WriteComponent("vae", "diffusion_pytorch_model", config, parameters);
  }

  // A UNet of pixels or of latents whose levels are resized by residual blocks and see the prompt in
  // attention with added keys and values, of so many channels; `more` keys are beside these or in their
  // place.
  static nlohmann::json ResizingUNet(int64_t in, int64_t out, const nlohmann::json& more) {
    nlohmann::json config = {{"_class_name", "UNet2DConditionModel"},
                             {"in_channels", in},
                             {"out_channels", out},
                             {"sample_size", 16},
                             {"block_out_channels", {8, 16}},
                             {"layers_per_block", 1},
                             {"attention_head_dim", 8},
                             {"down_block_types", {"ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"}},
                             {"mid_block_type", "UNetMidBlock2DSimpleCrossAttn"},
                             {"up_block_types", {"SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"}},
                             {"norm_num_groups", 4},
                             {"resnet_time_scale_shift", "scale_shift"}};
    config.update(more);
    return config;
  }

  // A network of this configuration, made by a constructor from a scope and that.
  template <typename Network, typename NetworkConfig>
  void WriteNetwork(const std::string& name, const std::string& stem, const nlohmann::json& config,
                    uint64_t seed) const {
    Recorded parameters(seed);
    const Network network(Scope(parameters), NetworkConfig::From(Config(config, name)));
    WriteComponent(name, stem, config, parameters);
  }

  void WriteComponent(const std::string& name, const std::string& stem, const nlohmann::json& config,
                      const Recorded& parameters) const {
    WriteJson(name, "config.json", config);
    WriteTensors(name + "/" + stem, parameters);
  }

  // In a folder that is there.
  void WriteTensors(const std::string& stem, const Recorded& parameters) const {
    std::ofstream(directory_ + "/" + stem + ".safetensors", std::ios::binary)
        << SerializeSafeTensors(parameters.tensors());
  }

  void WriteJson(const std::string& folder, const std::string& file, const nlohmann::json& json) const {
    std::filesystem::create_directories(directory_ + "/" + folder);
    std::ofstream(directory_ + "/" + folder + "/" + file) << json.dump(1) << "\n";
  }

 private:
  const std::string directory_, tokenizer_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_MODEL_H_
