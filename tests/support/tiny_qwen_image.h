// Qwen-Image in small, with random weights.
#ifndef MIND_TESTS_SUPPORT_TINY_QWEN_IMAGE_H_
#define MIND_TESTS_SUPPORT_TINY_QWEN_IMAGE_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_qwen.h"
#include "worker/diffusion/models/autoencoder_wan.h"
#include "worker/diffusion/models/qwen_image_transformer.h"
#include "worker/diffusion/models/qwen_text.h"
#include "worker/diffusion/models/qwen_vision.h"

namespace mind::diffusion {

struct TinyQwenImageOptions {
  bool edits = false;  // what changes pictures; else what makes them of a prompt
};

class TinyQwenImage : private TinyQwen {
 public:
  // Writes a model into `directory`, which it makes.
  static void Write(const std::string& directory, const TinyQwenImageOptions& options = {}) {
    const c10::InferenceMode inference;
    const TinyQwenImage model(directory);
    model.WriteJson("", "model_index.json",
                    {{"_class_name", options.edits ? "QwenImageEditPlusPipeline" : "QwenImagePipeline"}});
    if (options.edits)
      model.WriteJson("", "mind.json", {{"condition_area", 56 * 56}, {"reference_area", 32 * 32}});
    model.WriteTokenizer();
    model.WriteEncoder(options.edits);
    model.WriteNetwork<QwenImageTransformer, QwenImageConfig>("transformer", "diffusion_pytorch_model",
                                                              Transformer(options.edits), 2);
    model.WriteNetwork<AutoencoderWan, AutoencoderWanConfig>("vae", "diffusion_pytorch_model", Autoencoder(),
                                                             3);
    model.WriteJson("scheduler", "scheduler_config.json",
                    {{"_class_name", "FlowMatchEulerDiscreteScheduler"},
                     {"use_dynamic_shifting", true},
                     {"base_shift", 0.5},
                     {"max_shift", 0.9},
                     {"base_image_seq_len", 256},
                     {"max_image_seq_len", 8192},
                     {"shift_terminal", 0.02}});
  }

 private:
  static constexpr int64_t kWidth = 32;  // of the encoder's states

  explicit TinyQwenImage(const std::string& directory) : TinyQwen(directory) {}

  static nlohmann::json Transformer(bool edits) {
    return {{"_class_name", "QwenImageTransformer2DModel"},
            {"in_channels", 16},
            {"out_channels", 4},
            {"num_layers", 2},
            {"num_attention_heads", 2},
            {"attention_head_dim", 16},
            {"joint_attention_dim", kWidth},
            {"axes_dims_rope", {4, 6, 6}},
            {"zero_cond_t", edits}};
  }

  static nlohmann::json Autoencoder() {
    return {{"_class_name", "AutoencoderKLQwenImage"},
            {"base_dim", 8},
            {"dim_mult", {1, 2}},
            {"num_res_blocks", 1},
            {"z_dim", 4},
            {"latents_mean", {0.1, -0.2, 0.3, 0}},
            {"latents_std", {1.5, 2, 1, 0.8}}};
  }

  void WriteEncoder(bool sees) const {
    const nlohmann::json config = {{"model_type", "qwen2_5_vl"},
                                   {"hidden_size", kWidth},
                                   {"intermediate_size", 48},
                                   {"num_hidden_layers", 2},
                                   {"num_attention_heads", 2},
                                   {"num_key_value_heads", 1},
                                   {"vocab_size", kTokens},
                                   {"rope_theta", 1e6},
                                   {"rope_scaling", {{"mrope_section", {2, 3, 3}}, {"type", "default"}}},
                                   {"image_token_id", kPictureMark},
                                   {"vision_config",
                                    {{"depth", 2},
                                     {"hidden_size", 16},
                                     {"intermediate_size", 24},
                                     {"num_heads", 2},
                                     {"out_hidden_size", kWidth},
                                     {"window_size", 56},
                                     {"fullatt_block_indexes", {1}}}}};
    Named parameters("model.");
    const Config read(config, "text_encoder");
    const QwenText text(Scope(parameters), QwenTextConfig::From(read));
    if (sees) {
      parameters.set_prefix("visual.");
      const QwenVision vision(Scope(parameters), QwenVisionConfig::From(read));
    }
    WriteComponent("text_encoder", "model", config, parameters);
  }

  // Under a prefix that the networks know nothing of.
  class Named : public Recorded {
   public:
    explicit Named(std::string prefix) : Recorded(1), prefix_(std::move(prefix)) {}
    void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }
    at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
      return Recorded::Take(prefix_ + name, shape);
    }

   private:
    std::string prefix_;
  };
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_QWEN_IMAGE_H_
