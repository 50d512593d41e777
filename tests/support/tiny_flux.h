// FLUX.1 in small, with random weights: a model directory to load, serve and draw with.
#ifndef MIND_TESTS_SUPPORT_TINY_FLUX_H_
#define MIND_TESTS_SUPPORT_TINY_FLUX_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_t5.h"
#include "worker/diffusion/models/flux_transformer.h"

namespace mind::diffusion {

struct TinyFluxOptions {
  bool guided = true;    // is told the guidance scale: dev; else schnell
  bool kontext = false;  // changes a picture, seen at its own size
  bool fill = false;     // paints into one
};

class TinyFlux : private TinyT5 {
 public:
  // Writes it into `directory`, which it makes. `tokenizer`: a CLIP tokenizer's directory.
  static void Write(const std::string& directory, const std::string& tokenizer,
                    const TinyFluxOptions& options = {}) {
    const c10::InferenceMode inference;
    TinyFlux(directory, tokenizer).WriteAll(options);
  }

 private:
  TinyFlux(std::string directory, std::string tokenizer)
      : TinyT5(std::move(directory), std::move(tokenizer)) {}

  void WriteAll(const TinyFluxOptions& options) const {
    constexpr int64_t kPooled = 24, kLatents = 4, kReduction = 2;
    WriteJson("", "model_index.json",
              {{"_class_name", options.kontext ? "FluxKontextPipeline"
                               : options.fill  ? "FluxFillPipeline"
                                               : "FluxPipeline"}});
    nlohmann::json settings = {{"default_steps", 4}, {"max_sequence_length", 20}};
    if (options.kontext) settings["keep_reference_size"] = true;
    WriteJson("", "mind.json", settings);
    WriteText("text_encoder", "tokenizer", kPooled, /*projects=*/false, 2);
    WriteT5("tokenizer_2", "text_encoder_2");
    const int64_t beside = options.fill ? kLatents + kReduction * kReduction : 0;
    WriteNetwork<FluxTransformer, FluxConfig>("transformer", "diffusion_pytorch_model",
                                              {{"_class_name", "FluxTransformer2DModel"},
                                               {"in_channels", 4 * (kLatents + beside)},
                                               {"out_channels", 4 * kLatents},
                                               {"num_layers", 1},
                                               {"num_single_layers", 2},
                                               {"num_attention_heads", 2},
                                               {"attention_head_dim", 8},
                                               {"joint_attention_dim", kT5Width},
                                               {"pooled_projection_dim", kPooled},
                                               {"guidance_embeds", options.guided},
                                               {"axes_dims_rope", {2, 2, 4}}},
                                              3);
    WriteAutoencoder({{"scaling_factor", 0.3611}, {"shift_factor", 0.1159}});
    WriteJson("scheduler", "scheduler_config.json",
              {{"_class_name", "FlowMatchEulerDiscreteScheduler"},
               {"shift", options.guided ? 3.0 : 1.0},
               {"use_dynamic_shifting", options.guided}});
  }
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_FLUX_H_
