// FLUX.2 klein in small, with random weights.
#ifndef MIND_TESTS_SUPPORT_TINY_FLUX2_H_
#define MIND_TESTS_SUPPORT_TINY_FLUX2_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_qwen.h"
#include "worker/diffusion/models/autoencoder_flux2.h"
#include "worker/diffusion/models/flux2_transformer.h"

namespace mind::diffusion {

struct TinyFlux2Options {
  bool distilled = false;  // is not guided
  int64_t tokens = 0;      // of its text encoder; 0: few
};

class TinyFlux2 : private TinyQwen {
 public:
  // Writes a model into `directory`, which it makes.
  static void Write(const std::string& directory, const TinyFlux2Options& options = {}) {
    const c10::InferenceMode inference;
    TinyFlux2(directory).WriteAll(options);
  }

 private:
  explicit TinyFlux2(const std::string& directory) : TinyQwen(directory) {}

  void WriteAll(const TinyFlux2Options& options) const {
    WriteJson("", "model_index.json",
              {{"_class_name", "Flux2KleinPipeline"}, {"is_distilled", options.distilled}});
    WriteJson("", "mind.json", {{"max_sequence_length", 64}, {"text_encoder_out_layers", {1, 2, 3}}});
    WriteTextEncoder(options.tokens > 0 ? options.tokens : kTokens);
    WriteNetwork<Flux2Transformer, Flux2Config>("transformer", "diffusion_pytorch_model",
                                                {{"_class_name", "Flux2Transformer2DModel"},
                                                 {"in_channels", 16},
                                                 {"num_layers", 1},
                                                 {"num_single_layers", 2},
                                                 {"num_attention_heads", 2},
                                                 {"attention_head_dim", 8},
                                                 {"joint_attention_dim", 3 * kTextWidth},
                                                 {"axes_dims_rope", {2, 2, 2, 2}},
                                                 {"guidance_embeds", false}},
                                                2);
    const nlohmann::json autoencoder = {{"_class_name", "AutoencoderKLFlux2"},
                                        {"block_out_channels", {4, 8}},
                                        {"decoder_block_out_channels", {4, 4}},
                                        {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                                        {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                                        {"norm_num_groups", 4},
                                        {"latent_channels", 4},
                                        {"patch_size", {2, 2}}};
    OfUnitVariance parameters;
    const AutoencoderFlux2 network(Scope(parameters),
                                   AutoencoderFlux2Config::From(Config(autoencoder, "vae")));
    WriteComponent("vae", "diffusion_pytorch_model", autoencoder, parameters);
    WriteJson(
        "scheduler", "scheduler_config.json",
        {{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"shift", 3.0}, {"use_dynamic_shifting", true}});
  }

  class OfUnitVariance : public Recorded {
   public:
    OfUnitVariance() : Recorded(3) {}
    at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
      const at::Tensor taken = Recorded::Take(name, shape);
      return name.ends_with("running_var") ? taken.fill_(1) : taken;
    }
  };
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_FLUX2_H_
