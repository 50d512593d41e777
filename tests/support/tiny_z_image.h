// Z-Image in small, with random weights.
#ifndef MIND_TESTS_SUPPORT_TINY_Z_IMAGE_H_
#define MIND_TESTS_SUPPORT_TINY_Z_IMAGE_H_

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_qwen.h"
#include "worker/diffusion/models/z_image_transformer.h"

namespace mind::diffusion {

class TinyZImage : private TinyQwen {
 public:
  // Writes a model directory, which it makes. `tokens`: of its text encoder.
  static void Write(const std::string& directory, int64_t tokens = kTokens) {
    const c10::InferenceMode inference;
    TinyZImage(directory).WriteAll(tokens);
  }
  // Its tokenizer/ alone.
  static void WriteTokenizerTo(const std::string& directory) { TinyZImage(directory).WriteTokenizer(); }

 private:
  explicit TinyZImage(const std::string& directory) : TinyQwen(directory), directory_(directory) {}

  void WriteAll(int64_t tokens) const {
    WriteJson("", "model_index.json", {{"_class_name", "ZImagePipeline"}});
    WriteTextEncoder(tokens);
    const nlohmann::json transformer = {{"_class_name", "ZImageTransformer2DModel"},
                                        {"in_channels", 4},
                                        {"dim", 24},
                                        {"cap_feat_dim", kTextWidth},
                                        {"n_heads", 2},
                                        {"n_kv_heads", 2},
                                        {"n_layers", 2},
                                        {"n_refiner_layers", 1},
                                        {"axes_dims", {4, 4, 4}}};
    WriteNetwork<ZImageTransformer, ZImageTransformerConfig>("transformer", "diffusion_pytorch_model",
                                                             transformer, 2);
    WriteAutoencoder();
    const std::string file = directory_ + "/vae/config.json";
    nlohmann::json autoencoder = nlohmann::json::parse(std::ifstream(file));
    autoencoder["shift_factor"] = 0.1159;
    std::ofstream(file) << autoencoder;
    WriteJson("scheduler", "scheduler_config.json",
              {{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"shift", 3.0}});
  }

  const std::string directory_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_Z_IMAGE_H_
