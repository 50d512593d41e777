// DeepFloyd-IF's models in small, with random weights.
#ifndef MIND_TESTS_SUPPORT_TINY_FLOYD_H_
#define MIND_TESTS_SUPPORT_TINY_FLOYD_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_t5.h"
#include "worker/diffusion/models/unet.h"

namespace mind::diffusion {

struct TinyFloydOptions {
  bool enlarges = false;  // the second stage; else the first
  bool text = true;       // with a text encoder of its own
};

class TinyFloyd : private TinyT5 {
 public:
  // Writes one stage into `directory`, which it makes.
  static void Write(const std::string& directory, const TinyFloydOptions& options = {}) {
    const c10::InferenceMode inference;
    const TinyFloyd model(directory);
    model.WriteJson("", "model_index.json",
                    {{"_class_name", options.enlarges ? "IFSuperResolutionPipeline" : "IFPipeline"}});
    if (options.text) model.WriteT5("tokenizer", "text_encoder");
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
  static constexpr char kWeights[] = "diffusion_pytorch_model";

  explicit TinyFloyd(std::string directory) : TinyT5(std::move(directory), /*tokenizer=*/"") {}

  static nlohmann::json FloydUNet(int64_t in, const nlohmann::json& more) {
    nlohmann::json config = ResizingUNet(in, 6,
                                         {{"act_fn", "gelu"},
                                          {"addition_embed_type", "text"},
                                          {"addition_embed_type_num_heads", 4},
                                          {"encoder_hid_dim", kT5Width},
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
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_FLOYD_H_
