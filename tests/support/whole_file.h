// Stable Diffusion in small, or the shapes of one at full size, as single files have it: under latent
// diffusion's names, without configurations.
#ifndef MIND_TESTS_SUPPORT_WHOLE_FILE_H_
#define MIND_TESTS_SUPPORT_WHOLE_FILE_H_

#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/weights/fresh_parameters.h"
#include "worker/diffusion/weights/names/name_rules.h"
#include "worker/diffusion/weights/names/unet_names.h"

namespace mind::diffusion {

class WholeFile {
 public:
  using Tensors = std::map<std::string, at::Tensor>;
  // Configurations as diffusers and transformers have them; those of encoders may be null.
  struct Networks {
    nlohmann::json unet, vae, text, text_2, vision = nullptr;
  };
  enum class Numbers { kNone, kRandom };

  // Small ones whose configurations follow from their shapes.
  static Networks Small(bool xl, int64_t vocabulary) {
    nlohmann::json unet = {{"_class_name", "UNet2DConditionModel"},
                           {"in_channels", 4},
                           {"out_channels", 4},
                           {"sample_size", 8},
                           {"block_out_channels", {32, 64}},
                           {"layers_per_block", 1},
                           {"attention_head_dim", 8},
                           {"cross_attention_dim", xl ? 2 * kWidth : kWidth},
                           {"down_block_types", {"CrossAttnDownBlock2D", "DownBlock2D"}},
                           {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"}}};
    if (xl) {
      unet["use_linear_projection"] = true;
      unet["attention_head_dim"] = {1, 1};
      unet["transformer_layers_per_block"] = {1, 2};
      unet["down_block_types"] = {"DownBlock2D", "CrossAttnDownBlock2D"};
      unet["up_block_types"] = {"CrossAttnUpBlock2D", "UpBlock2D"};
      unet["addition_embed_type"] = "text_time";
      unet["addition_time_embed_dim"] = 8;
      unet["projection_class_embeddings_input_dim"] = kWidth + 6 * 8;
    }
    const nlohmann::json vae = {{"_class_name", "AutoencoderKL"},
                                {"block_out_channels", {32, 32, 32, 32}},
                                {"down_block_types", std::vector<std::string>(4, "DownEncoderBlock2D")},
                                {"up_block_types", std::vector<std::string>(4, "UpDecoderBlock2D")},
                                {"scaling_factor", xl ? 0.13025 : 0.18215},
                                {"force_upcast", xl}};
    nlohmann::json text = {
        {"model_type", "clip_text_model"},   {"vocab_size", vocabulary},   {"hidden_size", kWidth},
        {"intermediate_size", 4 * kWidth},   {"num_hidden_layers", 2},     {"num_attention_heads", 1},
        {"max_position_embeddings", 77},     {"hidden_act", "quick_gelu"}, {"eos_token_id", 2},
        {"architectures", {"CLIPTextModel"}}};
    if (!xl) return {unet, vae, text, {}};
    nlohmann::json text_2 = text;
    text_2["hidden_act"] = "gelu";
    text_2["architectures"] = {"CLIPTextModelWithProjection"};
    text_2["projection_dim"] = kWidth;
    return {unet, vae, text, text_2};
  }

  // Of another `seed` other numbers.
  WholeFile(const Networks& networks, Numbers numbers, uint64_t seed = 0) : numbers_(numbers), seed_(seed) {
    const c10::InferenceMode inference;
    parts_["unet"] = Make<UNet, UNetConfig>(networks.unet, 1);
    parts_["vae"] = Make<AutoencoderKl, AutoencoderConfig>(networks.vae, 2);
    if (!networks.text.is_null()) parts_["text_encoder"] = Make<ClipText, ClipTextConfig>(networks.text, 3);
    if (!networks.text_2.is_null())
      parts_["text_encoder_2"] = Make<ClipText, ClipTextConfig>(networks.text_2, 4);
    if (!networks.vision.is_null())
      parts_["image_encoder"] = Make<ClipVision, ClipVisionConfig>(networks.vision, 5);
  }

  // By the folders of the diffusers layout, under diffusers' names.
  const std::map<std::string, Tensors>& parts() const { return parts_; }

  // As Stability AI and CompVis publish them. `second_version`: the text encoder is OpenCLIP's, which in
  // Stable Diffusion 2 has a layer more than is used.
  Tensors AsPublished(bool second_version = false) const {
    const bool xl = parts_.count("text_encoder_2") != 0;
    Tensors file;
    Add("model.diffusion_model.", UNetNamed(parts_.at("unet")), file);
    Add("first_stage_model.", AutoencoderNamed(parts_.at("vae")), file);
    if (parts_.count("text_encoder") != 0) {
      const Tensors& text = parts_.at("text_encoder");
      if (second_version) Add("cond_stage_model.model.", OpenClipNamed(text, /*surplus=*/true), file);
      if (!second_version)
        Add(xl ? "conditioner.embedders.0.transformer." : "cond_stage_model.transformer.", text, file);
    }
    if (parts_.count("image_encoder") != 0)
      Add("embedder.model.visual.", OpenClipVisionNamed(parts_.at("image_encoder")), file);
    if (xl) {
      const bool both = parts_.count("text_encoder") != 0;
      Add(both ? "conditioner.embedders.1.model." : "conditioner.embedders.0.model.",
          OpenClipNamed(parts_.at("text_encoder_2"), /*surplus=*/false), file);
    }
    return file;
  }

  static Tensors UNetNamed(const Tensors& unet) {
    std::vector<std::string> layers;
    for (const auto& [name, tensor] : unet) layers.push_back(name.substr(0, name.rfind('.')));
    const std::map<std::string, std::string> names = GuidedDiffusionNames(layers);
    static const NameRules kNorms{
        {"^conv_norm_out$", "out.0"},
        {"^class_embedding\\.linear_1$", "label_emb.0.0"},
        {"^class_embedding\\.linear_2$", "label_emb.0.2"},
        {"^class_embedding$", "label_emb"},
        {"(put_blocks\\.\\d+\\.0|middle_block\\.[02])\\.norm1$", "$1.in_layers.0"},
        {"(put_blocks\\.\\d+\\.0|middle_block\\.[02])\\.norm2$", "$1.out_layers.0"}};
    Tensors file;
    for (const auto& [name, tensor] : unet) {
      const size_t leaf = name.rfind('.');
      file[kNorms(names.at(name.substr(0, leaf))) + name.substr(leaf)] = tensor;
    }
    return file;
  }

  static Tensors AutoencoderNamed(const Tensors& vae) {
    static const NameRules kRules{{"mid_block\\.resnets\\.0", "mid.block_1"},
                                  {"mid_block\\.resnets\\.1", "mid.block_2"},
                                  {"mid_block\\.attentions\\.0\\.group_norm", "mid.attn_1.norm"},
                                  {"mid_block\\.attentions\\.0\\.to_([qkv])", "mid.attn_1.$1"},
                                  {"mid_block\\.attentions\\.0\\.to_out\\.0", "mid.attn_1.proj_out"},
                                  {"_blocks\\.(\\d+)\\.resnets\\.", ".$1.block."},
                                  {"_blocks\\.(\\d+)\\.(down|up)samplers\\.0\\.", ".$1.$2sample."},
                                  {"conv_shortcut", "nin_shortcut"},
                                  {"conv_norm_out", "norm_out"}};
    const NamedTensors all{"vae", vae};
    const int64_t levels = CountAfter(all, "decoder.up_blocks.");
    Tensors file;
    for (const auto& [name, tensor] : vae) {
      std::string stored = name;
      if (const int64_t level = NumberAfter(name, "decoder.up_blocks."); level >= 0)
        stored = "decoder.up_blocks." + std::to_string(levels - 1 - level) +
                 name.substr(name.find('.', std::string("decoder.up_blocks.").size()));
      const bool square = name.find(".attentions.") != std::string::npos && tensor.dim() == 2;
      file[kRules(stored)] = square ? tensor.unsqueeze(-1).unsqueeze(-1) : tensor;
    }
    return file;
  }

 private:
  static constexpr int64_t kWidth = 64;  // of text encoders

  // Keeps what is taken, by name.
  class Recorded : public ParameterSource {
   public:
    Recorded(Numbers numbers, uint64_t seed)
        : numbers_(numbers), fresh_(FreshParameters::Values::kRandom, seed) {}
    bool Has(const std::string& name) const override { return name.find(".to_") != std::string::npos; }
    at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
      return tensors[name] =
                 numbers_ == Numbers::kNone ? WithoutNumbers(shape, at::kHalf) : fresh_.Take(name, shape);
    }
    Tensors tensors;

   private:
    Numbers numbers_;
    FreshParameters fresh_;
  };

  template <typename Network, typename NetworkConfig>
  Tensors Make(const nlohmann::json& config, uint64_t part) const {
    Recorded parameters(numbers_, 16 * seed_ + part);
    const Network network(Scope(parameters), NetworkConfig::From(Config(config, "network")));
    return parameters.tensors;
  }

  static void Add(const std::string& prefix, const Tensors& part, Tensors& file) {
    for (const auto& [name, tensor] : part) file[prefix + name] = tensor;
  }

  // Text or vision, without what stands after the text's layers.
  static Tensors TowerNamed(const Tensors& text) {
    static const NameRules kRules{
        {"^text_model\\.embeddings\\.position_embedding\\.weight$", "positional_embedding"},
        {"^text_model\\.embeddings\\.token_embedding\\.", "token_embedding."},
        {"^text_model\\.final_layer_norm\\.", "ln_final."},
        {"^vision_model\\.embeddings\\.class_embedding$", "class_embedding"},
        {"^vision_model\\.embeddings\\.position_embedding\\.weight$", "positional_embedding"},
        {"^vision_model\\.embeddings\\.patch_embedding\\.", "conv1."},
        {"^vision_model\\.pre_layrnorm\\.", "ln_pre."},
        {"^vision_model\\.post_layernorm\\.", "ln_post."},
        {"^(text|vision)_model\\.encoder\\.layers\\.", "transformer.resblocks."},
        {"\\.layer_norm(\\d)\\.", ".ln_$1."},
        {"\\.mlp\\.fc1\\.", ".mlp.c_fc."},
        {"\\.mlp\\.fc2\\.", ".mlp.c_proj."},
        {"\\.self_attn\\.out_proj\\.", ".attn.out_proj."}};
    Tensors file;
    for (const auto& [name, tensor] : text) {
      const size_t q = name.find(".self_attn.q_proj.");
      if (name.find(".self_attn.k_proj.") != std::string::npos ||
          name.find(".self_attn.v_proj.") != std::string::npos)
        continue;
      if (name == "text_projection.weight") {
        file["text_projection"] = tensor.t();
      } else if (q != std::string::npos) {
        const std::string scope = name.substr(0, q), leaf = name.substr(name.rfind('.') + 1);
        const auto part = [&](const char* one) {
          return text.at(scope + ".self_attn." + one + "_proj." + leaf);
        };
        file[kRules(scope + ".") + "attn.in_proj_" + leaf] = at::cat({part("q"), part("k"), part("v")});
      } else {
        file[kRules(name)] = tensor;
      }
    }
    return file;
  }

  static Tensors OpenClipVisionNamed(const Tensors& vision) {
    Tensors file = TowerNamed(vision);
    file["proj"] = file.at("visual_projection.weight").t().contiguous();
    file.erase("visual_projection.weight");
    return file;
  }

  static Tensors OpenClipNamed(const Tensors& text, bool surplus) {
    Tensors file = TowerNamed(text);
    file["logit_scale"] = at::zeros({});
    if (!surplus) return file;
    const int64_t layers = CountAfter(NamedTensors{"text", file}, "transformer.resblocks.");
    Tensors more;
    const std::string first = "transformer.resblocks.0.";
    for (const auto& [name, tensor] : file) {
      if (name.starts_with(first))
        more["transformer.resblocks." + std::to_string(layers) + "." + name.substr(first.size())] = tensor;
    }
    file.merge(more);
    return file;
  }

  const Numbers numbers_;
  const uint64_t seed_;
  std::map<std::string, Tensors> parts_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_WHOLE_FILE_H_
