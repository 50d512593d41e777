// Kandinsky 2.2 in small, with random weights: a decoder with its prior.
#ifndef MIND_TESTS_SUPPORT_TINY_KANDINSKY_H_
#define MIND_TESTS_SUPPORT_TINY_KANDINSKY_H_

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/tiny_model.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/movq.h"
#include "worker/diffusion/models/prior_transformer.h"
#include "worker/diffusion/models/unet.h"

namespace mind::diffusion {

struct TinyKandinskyOptions {
  bool paints = false;    // made for inpainting: 9 channels
  bool combined = false;  // the prior's folders beside the decoder's, as diffusers saves both; else in prior/
};

class TinyKandinsky : private TinyModel {
 public:
  // Writes it into `directory`, which it makes. `tokenizer`: a CLIP tokenizer's directory.
  static void Write(const std::string& directory, const std::string& tokenizer,
                    const TinyKandinskyOptions& options = {}) {
    const c10::InferenceMode inference;
    const TinyKandinsky model(directory, tokenizer);
    const std::string kind = options.paints ? "KandinskyV22Inpaint" : "KandinskyV22";
    model.WriteJson("", "model_index.json",
                    {{"_class_name", kind + (options.combined ? "CombinedPipeline" : "Pipeline")}});
    model.WriteDecoder(options.paints ? 9 : 4);
    model.WritePrior(options.combined ? "prior_" : "prior/");
  }

 private:
  static constexpr int64_t kEmbedding = 16;
  static constexpr char kWeights[] = "diffusion_pytorch_model";

  using TinyModel::TinyModel;

  void WriteDecoder(int64_t channels) const {
    const nlohmann::json unet = ResizingUNet(channels, 8,
                                             {{"encoder_hid_dim_type", "image_proj"},
                                              {"encoder_hid_dim", kEmbedding},
                                              {"addition_embed_type", "image"},
                                              {"cross_attention_dim", kEmbedding}});
    WriteNetwork<UNet, UNetConfig>("unet", kWeights, unet, 1);
    const nlohmann::json movq = {{"_class_name", "VQModel"},
                                 {"norm_type", "spatial"},
                                 {"latent_channels", 4},
                                 {"vq_embed_dim", 4},
                                 {"num_vq_embeddings", 8},
                                 {"block_out_channels", {32, 32}},
                                 {"down_block_types", {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}},
                                 {"up_block_types", {"AttnUpDecoderBlock2D", "UpDecoderBlock2D"}},
                                 {"norm_num_groups", 8}};
    WriteNetwork<Movq, MovqConfig>("movq", kWeights, movq, 2);
    WriteJson("scheduler", "scheduler_config.json",
              {{"_class_name", "DDPMScheduler"},
               {"beta_start", 0.00085},
               {"beta_end", 0.012},
               {"beta_schedule", "linear"},
               {"variance_type", "learned_range"},
               {"clip_sample", true},
               {"clip_sample_range", 2.0}});
  }

  void WritePrior(const std::string& prefix) const {
    const nlohmann::json prior = {{"_class_name", "PriorTransformer"}, {"num_attention_heads", 2},
                                  {"attention_head_dim", 8},           {"num_layers", 2},
                                  {"embedding_dim", kEmbedding},       {"num_embeddings", 77}};
    WriteNetwork<PriorTransformer, PriorTransformerConfig>(prefix + "prior", kWeights, prior, 3);
    WriteText(prefix + "text_encoder", prefix + "tokenizer", kEmbedding, /*projects=*/true, 4);
    const nlohmann::json encoder = {{"model_type", "clip_vision_model"},
                                    {"image_size", 16},
                                    {"patch_size", 8},
                                    {"hidden_size", 16},
                                    {"intermediate_size", 32},
                                    {"num_hidden_layers", 2},
                                    {"num_attention_heads", 2},
                                    {"projection_dim", kEmbedding}};
    WriteNetwork<ClipVision, ClipVisionConfig>(prefix + "image_encoder", "model", encoder, 5);
    WriteJson(prefix + "scheduler", "scheduler_config.json",
              {{"_class_name", "UnCLIPScheduler"},
               {"variance_type", "fixed_small_log"},
               {"prediction_type", "sample"},
               {"clip_sample_range", 10}});
  }
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_KANDINSKY_H_
