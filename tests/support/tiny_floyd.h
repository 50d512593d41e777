// DeepFloyd-IF's models in small, with random weights.
#ifndef MIND_TESTS_SUPPORT_TINY_FLOYD_H_
#define MIND_TESTS_SUPPORT_TINY_FLOYD_H_

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tests/support/tiny_model.h"
#include "worker/diffusion/models/t5_text.h"
#include "worker/diffusion/models/unet.h"

namespace mind::diffusion {

struct TinyFloydOptions {
  bool enlarges = false;  // the second stage; else the first
  bool text = true;       // with a text encoder of its own
};

class TinyFloyd : private TinyModel {
 public:
  // Writes one stage into `directory`, which it makes.
  static void Write(const std::string& directory, const TinyFloydOptions& options = {}) {
    const c10::InferenceMode inference;
    const TinyFloyd model(directory);
    model.WriteJson("", "model_index.json",
                    {{"_class_name", options.enlarges ? "IFSuperResolutionPipeline" : "IFPipeline"}});
    if (options.text) model.WriteTextEncoder();
    options.enlarges ? model.WriteEnlarger() : model.WriteFirst();
  }

  // Both stages, as NAME-first and NAME-second beside the cascade that they make.
  static void WriteCascade(const std::string& directory) {
    Write(directory + "-first");
    Write(directory + "-second", {.enlarges = true, .text = false});
    const std::string name = std::filesystem::path(directory).filename().string();
    TinyFloyd(directory).WriteJson(
        "", "cascade.json",
        {{"_class_name", "Cascade"}, {"stages", {"../" + name + "-first", "../" + name + "-second"}}});
    TinyFloyd(directory + "-second").WriteJson("", "mind.json", {{"default_steps", 4}});
  }

 private:
  static constexpr int64_t kWidth = 16, kVocabulary = 40;
  static constexpr char kWeights[] = "diffusion_pytorch_model";

  explicit TinyFloyd(std::string directory)
      : TinyModel(directory, /*tokenizer=*/""), directory_(std::move(directory)) {}

  // A message's field of bytes, or of a number, shorter than 128.
  static std::string Field(int number, std::string_view bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())}.append(bytes);
  }
  static std::string Number(std::string_view tag, int value) {
    return std::string(tag) + static_cast<char>(value);
  }
  // sentencepiece_model.proto's SentencePiece.
  static std::string Piece(std::string_view text, float score, int type) {
    std::string number(sizeof score, '\0');
    std::memcpy(number.data(), &score, sizeof score);
    return Field(1, Field(1, text) + "\x15" + number + Number("\x18", type));
  }

  // Letters, a word, and the marks in T5's order.
  void WriteTokenizer() const {
    constexpr int kNormal = 1, kUnknown = 2, kControl = 3;
    std::string file = Piece("<pad>", 0, kControl) + Piece("</s>", 0, kControl) + Piece("<unk>", 0, kUnknown);
    file += Piece("\u2581", -2, kNormal) + Piece("\u2581cat", -3, kNormal);
    for (char letter = 'a'; letter <= 'z'; ++letter) file += Piece(std::string(1, letter), -4, kNormal);
    // TrainerSpec: model_type unigram, eos_id, pad_id.
    file += Field(2, Number("\x18", 1) + Number("\xd0\x02", 1) + Number("\xd8\x02", 0));
    WriteJson("tokenizer", "tokenizer_config.json",
              {{"tokenizer_class", "T5Tokenizer"}, {"extra_ids", 4}, {"model_max_length", 512}});
    std::ofstream(directory_ + "/tokenizer/spiece.model", std::ios::binary) << file;
  }

  void WriteTextEncoder() const {
    WriteTokenizer();
    const nlohmann::json encoder = {
        {"model_type", "t5"}, {"vocab_size", kVocabulary}, {"d_model", kWidth}, {"d_kv", 4},
        {"d_ff", 24},         {"num_layers", 2},           {"num_heads", 4}};
    WriteNetwork<T5Text, T5TextConfig>("text_encoder", "model", encoder, 1);
  }

  static nlohmann::json FloydUNet(int64_t in, const nlohmann::json& more) {
    nlohmann::json config = ResizingUNet(in, 6,
                                         {{"act_fn", "gelu"},
                                          {"addition_embed_type", "text"},
                                          {"addition_embed_type_num_heads", 4},
                                          {"encoder_hid_dim", kWidth},
                                          {"cross_attention_norm", "group_norm"},
                                          {"cross_attention_dim", 32}});
    config.update(more);
    return config;
  }

  void WriteFirst() const {
    WriteNetwork<UNet, UNetConfig>("unet", kWeights, FloydUNet(3, nlohmann::json::object()), 2);
    WriteScheduler("scheduler", {{"variance_type", "learned_range"}, {"sample_max_value", 1.5}});
  }

  void WriteEnlarger() const {
    const nlohmann::json unet = FloydUNet(6, {{"sample_size", 32},
                                              {"layers_per_block", {1, 2}},
                                              {"class_embed_type", "timestep"},
                                              {"only_cross_attention", true},
                                              {"resnet_skip_time_act", true},
                                              {"resnet_out_scale_factor", 1.4142},
                                              {"mid_block_scale_factor", 1.4142},
                                              {"time_embedding_act_fn", "gelu"},
                                              {"time_embedding_dim", 24}});
    WriteNetwork<UNet, UNetConfig>("unet", kWeights, unet, 3);
    WriteScheduler("scheduler", {{"variance_type", "learned_range"}});
    WriteScheduler("image_noising_scheduler", {{"variance_type", "fixed_small"}, {"thresholding", false}});
  }

  void WriteScheduler(const std::string& name, const nlohmann::json& keys) const {
    nlohmann::json config = {{"_class_name", "DDPMScheduler"},
                             {"beta_schedule", "squaredcos_cap_v2"},
                             {"thresholding", true},
                             {"dynamic_thresholding_ratio", 0.95}};
    config.update(keys);
    WriteJson(name, "scheduler_config.json", config);
  }

  const std::string directory_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_FLOYD_H_
