// Stable Diffusion 3.5 in small, with random weights: a model directory to load, serve and draw with.
#ifndef MIND_TESTS_SUPPORT_TINY_SD3_H_
#define MIND_TESTS_SUPPORT_TINY_SD3_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_t5.h"
#include "worker/diffusion/models/sd3_transformer.h"

namespace mind::diffusion {

struct TinySd3Options {
  bool t5 = true;  // has the third text encoder
};

class TinySd3 : private TinyT5 {
 public:
  // Writes it into `directory`, which it makes. `tokenizer`: a CLIP tokenizer's directory, used for both.
  static void Write(const std::string& directory, const std::string& tokenizer,
                    const TinySd3Options& options = {}) {
    const c10::InferenceMode inference;
    TinySd3(directory, tokenizer).WriteAll(options);
  }

 private:
  TinySd3(std::string directory, std::string tokenizer)
      : TinyT5(std::move(directory), std::move(tokenizer)) {}

  void WriteAll(const TinySd3Options& options) const {
    constexpr int64_t kFirst = 6, kSecond = 10;  // widths of both CLIPs
    WriteJson("", "model_index.json", {{"_class_name", "StableDiffusion3Pipeline"}});
    WriteJson("", "mind.json", {{"default_steps", 4}, {"max_sequence_length", 20}});
    WriteText("text_encoder", "tokenizer", kFirst, /*projects=*/true, 1);
    WriteText("text_encoder_2", "tokenizer_2", kSecond, /*projects=*/true, 2);
    if (options.t5) WriteT5("tokenizer_3", "text_encoder_3");
    WriteNetwork<Sd3Transformer, Sd3Config>("transformer", "diffusion_pytorch_model",
                                            {{"_class_name", "SD3Transformer2DModel"},
                                             {"in_channels", 4},
                                             {"sample_size", 16},
                                             {"num_layers", 3},
                                             {"num_attention_heads", 2},
                                             {"attention_head_dim", 8},
                                             {"joint_attention_dim", kT5Width},
                                             {"caption_projection_dim", 16},
                                             {"pooled_projection_dim", kFirst + kSecond},
                                             {"pos_embed_max_size", 12},
                                             {"dual_attention_layers", {0}},
                                             {"qk_norm", "rms_norm"}},
                                            3);
    WriteAutoencoder({{"scaling_factor", 1.5305}, {"shift_factor", 0.0609}});
    WriteJson("scheduler", "scheduler_config.json",
              {{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"shift", 3.0}});
  }
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_SD3_H_
