// Scorers in small, with random weights: what lies in a model's scorer/.
#ifndef MIND_TESTS_SUPPORT_TINY_SCORERS_H_
#define MIND_TESTS_SUPPORT_TINY_SCORERS_H_

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/samplers/noise_source.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {

// Writes into a model's directory, which is there.
class TinyScorers {
 public:
  // A classifier of 16×16 pictures in ten classes, under the names and in the shapes of guided-diffusion's
  // EncoderUNetModel.
  static void WriteClassifier(const std::string& model) {
    TinyScorers scorer(model, 11);
    scorer.Time();
    scorer.Convolution("input_blocks.0.0", 3, 32, 3);
    scorer.Block("input_blocks.1.0", 32, 32);
    scorer.Block("input_blocks.2.0", 32, 32);  // which halves
    scorer.Block("input_blocks.3.0", 32, 64);
    scorer.Attention("input_blocks.3.1", 64);
    scorer.Block("middle_block.0", 64, 64);
    scorer.Attention("middle_block.1", 64);
    scorer.Block("middle_block.2", 64, 64);
    scorer.Norm("out.0", 64);
    scorer.Matrix("out.2.positional_embedding", {64, 8 * 8 + 1});
    scorer.Matrix("out.2.qkv_proj.weight", {192, 64, 1});
    scorer.Matrix("out.2.qkv_proj.bias", {192});
    scorer.Matrix("out.2.c_proj.weight", {10, 64, 1});
    scorer.Matrix("out.2.c_proj.bias", {10});
    scorer.Write({{"_class_name", "EncoderUNetModel"},
                  {"image_size", 16},
                  {"classifier_width", 32},
                  {"classifier_depth", 1},
                  {"classifier_attention_resolutions", "8"},
                  {"channel_mult", "1,2"},
                  {"num_classes", 10},
                  {"num_head_channels", 16}});
  }

  // CLIP, as transformers writes a CLIPModel. `tokenizer`: a CLIP tokenizer's directory.
  static void WriteClip(const std::string& model, const std::string& tokenizer) {
    TinyScorers scorer(model, 12);
    int64_t largest = 0;
    const nlohmann::json vocabulary = nlohmann::json::parse(std::ifstream(tokenizer + "/vocab.json"));
    for (const auto& [token, id] : vocabulary.items()) largest = std::max(largest, id.get<int64_t>());
    const nlohmann::json tower = {
        {"hidden_size", 16}, {"intermediate_size", 32}, {"num_hidden_layers", 2}, {"num_attention_heads", 2}};
    nlohmann::json text = tower, vision = tower;
    text.update({{"vocab_size", largest + 1}, {"max_position_embeddings", 77}, {"eos_token_id", 2}});
    vision.update({{"image_size", 24}, {"patch_size", 8}});
    scorer.Matrix("text_model.embeddings.token_embedding.weight", {largest + 1, 16});
    scorer.Matrix("text_model.embeddings.position_embedding.weight", {77, 16});
    scorer.Norm("text_model.final_layer_norm", 16);
    scorer.Matrix("text_projection.weight", {8, 16});
    scorer.Matrix("vision_model.embeddings.class_embedding", {16});
    scorer.Matrix("vision_model.embeddings.patch_embedding.weight", {16, 3, 8, 8});
    scorer.Matrix("vision_model.embeddings.position_embedding.weight", {10, 16});
    scorer.Norm("vision_model.pre_layrnorm", 16);
    scorer.Norm("vision_model.post_layernorm", 16);
    scorer.Matrix("visual_projection.weight", {8, 16});
    for (const std::string side : {"text", "vision"}) {
      for (const std::string layer : {"0", "1"}) scorer.Layer(side + "_model.encoder.layers." + layer);
    }
    scorer.tensors_["logit_scale"] = at::full({}, std::log(20.0), at::kFloat);
    scorer.Write(
        {{"model_type", "clip"}, {"projection_dim", 8}, {"text_config", text}, {"vision_config", vision}});
    std::filesystem::copy(tokenizer, model + "/scorer");
  }

 private:
  TinyScorers(const std::string& model, uint64_t seed) : folder_(model + "/scorer"), noise_(seed) {}

  void Matrix(const std::string& name, at::IntArrayRef shape) {
    const int64_t fan_in = shape.size() > 1 ? c10::multiply_integers(shape.slice(1)) : 16;
    tensors_[name] = noise_.Draw(shape) / std::sqrt(static_cast<double>(fan_in));
  }
  void Linear(const std::string& name, int64_t in, int64_t out) {
    Matrix(name + ".weight", {out, in});
    Matrix(name + ".bias", {out});
  }
  void Convolution(const std::string& name, int64_t in, int64_t out, int64_t kernel) {
    Matrix(name + ".weight", {out, in, kernel, kernel});
    Matrix(name + ".bias", {out});
  }
  void Norm(const std::string& name, int64_t channels) {
    Matrix(name + ".bias", {channels});
    tensors_[name + ".weight"] = 1 + 0.1 * noise_.Draw({channels});
  }
  void Time() {
    Linear("time_embed.0", 32, 128);
    Linear("time_embed.2", 128, 128);
  }
  void Block(const std::string& name, int64_t in, int64_t out) {
    Norm(name + ".in_layers.0", in);
    Convolution(name + ".in_layers.2", in, out, 3);
    Linear(name + ".emb_layers.1", 128, 2 * out);
    Norm(name + ".out_layers.0", out);
    Convolution(name + ".out_layers.3", out, out, 3);
    if (in != out) Convolution(name + ".skip_connection", in, out, 1);
  }
  void Attention(const std::string& name, int64_t channels) {
    Norm(name + ".norm", channels);
    Matrix(name + ".qkv.weight", {3 * channels, channels, 1});
    Matrix(name + ".qkv.bias", {3 * channels});
    Matrix(name + ".proj_out.weight", {channels, channels, 1});
    Matrix(name + ".proj_out.bias", {channels});
  }
  void Layer(const std::string& name) {
    for (const std::string part : {"q_proj", "k_proj", "v_proj", "out_proj"})
      Linear(name + ".self_attn." + part, 16, 16);
    Norm(name + ".layer_norm1", 16);
    Norm(name + ".layer_norm2", 16);
    Linear(name + ".mlp.fc1", 16, 32);
    Linear(name + ".mlp.fc2", 32, 16);
  }
  void Write(const nlohmann::json& config) const {
    std::filesystem::create_directory(folder_);
    std::ofstream(folder_ + "/config.json") << config;
    std::ofstream(folder_ + "/model.safetensors", std::ios::binary) << SerializeSafeTensors(tensors_);
  }

  const std::string folder_;
  SeededNoise noise_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_SCORERS_H_
