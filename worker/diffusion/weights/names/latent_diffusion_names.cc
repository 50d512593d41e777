#include "worker/diffusion/weights/names/latent_diffusion_names.h"

#include <algorithm>
#include <utility>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/clip_names.h"
#include "worker/diffusion/weights/names/name_rules.h"
#include "worker/diffusion/weights/names/unet_names.h"

namespace mind::diffusion {
namespace {

constexpr char kUNet[] = "model.diffusion_model.", kVae[] = "first_stage_model.";
// Where a UNet is alone in its file.
constexpr char kFirstConvolution[] = "input_blocks.0.0.weight";
// Text encoders: where they stand, what they are, and all their layers or all but the last.
struct TextTower {
  const char *prefix, *component;
  bool open_clip, whole;
};
constexpr TextTower kTextTowers[] = {
    {"cond_stage_model.transformer.", "text_encoder", false, true},
    {"cond_stage_model.model.", "text_encoder", true, false},
    {"conditioner.embedders.0.transformer.", "text_encoder", false, true},
    {"conditioner.embedders.1.model.", "text_encoder_2", true, true},
    {"conditioner.embedders.0.model.", "text_encoder_2", true, true},  // the refiner's only one
};

// What Stable unCLIP's files have besides: OpenCLIP's or CLIP's vision tower.
constexpr char kVision[] = "embedder.model.visual.";
constexpr char kOldText[] = "cond_stage_model.";

NamedTensors FromVae(const NamedTensors& vae) {
  static const NameRules* const rules = new NameRules{
      {"\\.mid\\.block_1\\.", ".mid_block.resnets.0."},
      {"\\.mid\\.block_2\\.", ".mid_block.resnets.1."},
      {"\\.mid\\.attn_1\\.norm\\.", ".mid_block.attentions.0.group_norm."},
      {"\\.mid\\.attn_1\\.([qkv])\\.", ".mid_block.attentions.0.to_$1."},
      {"\\.mid\\.attn_1\\.proj_out\\.", ".mid_block.attentions.0.to_out.0."},
      {"\\.down\\.(\\d+)\\.block\\.", ".down_blocks.$1.resnets."},
      {"\\.down\\.(\\d+)\\.downsample\\.", ".down_blocks.$1.downsamplers.0."},
      {"\\.up\\.(\\d+)\\.block\\.", ".up_blocks.$1.resnets."},
      {"\\.up\\.(\\d+)\\.upsample\\.", ".up_blocks.$1.upsamplers.0."},
      {"\\.nin_shortcut\\.", ".conv_shortcut."},
      {"\\.norm_out\\.", ".conv_norm_out."},
      {"^(encoder|decoder)\\.(quant_conv|post_quant_conv)\\.", "$2."},  // FLUX.2's
  };
  const int64_t levels = CountAfter(vae, "decoder.up.");
  const std::string last_down = "encoder.down." + std::to_string(levels - 1) + ".downsample.";
  NamedTensors out{vae.source, {}};
  for (const auto& [stored, tensor] : vae.tensors) {
    // Some have a transition at the last level too, which nothing uses.
    if (stored.rfind(last_down, 0) == 0 || stored.rfind("decoder.up.0.upsample.", 0) == 0) continue;
    std::string name = stored;
    // The decoder's levels are counted from the finest here, from the coarsest there.
    if (const int64_t level = NumberAfter(name, "decoder.up."); level >= 0) {
      const std::string rest = name.substr(name.find('.', std::string("decoder.up.").size()));
      name = "decoder.up." + std::to_string(levels - 1 - level) + rest;
    }
    name = (*rules)(name);
    out.tensors[name] = name.find(".attentions.") != std::string::npos ? AsLinear(tensor) : tensor;
  }
  return out;
}

// The UNet's tensors, of a file that holds it alone or with the rest of its model. Throws ModelError.
NamedTensors UNetIn(const NamedTensors& tensors) {
  if (tensors.HasPrefix(kUNet)) return tensors.Under(kUNet);
  if (!tensors.Has(kFirstConvolution))
    throw ModelError(tensors.source + ": no UNet (\"" + kUNet + "…\") in it");
  NamedTensors unet{tensors.source, {}};
  for (const auto& [name, tensor] : tensors.tensors) {
    const std::string part = name.substr(0, name.find('.'));
    for (const char* const own :
         {"input_blocks", "middle_block", "output_blocks", "time_embed", "label_emb", "out"}) {
      if (part == own) unet.tensors[name] = tensor;
    }
  }
  return unet;
}

// The residual blocks a level of the UNet has on the way down: after the first convolution and before where
// the picture is first made smaller.
int64_t LayersOf(const NamedTensors& unet) {
  const int64_t blocks = CountAfter(unet, "input_blocks.");
  int64_t layers = 0;
  while (layers + 1 < blocks && !unet.HasPrefix("input_blocks." + std::to_string(layers + 1) + ".0.op."))
    ++layers;
  return std::max<int64_t>(layers, 1);
}

// A tower of either kind, text or vision, layer by layer: what both name alike.
const NameRules& OpenClipLayers() {
  static const NameRules* const rules = new NameRules{
      {"\\.ln_(\\d)\\.", ".layer_norm$1."},
      {"\\.mlp\\.c_fc\\.", ".mlp.fc1."},
      {"\\.mlp\\.c_proj\\.", ".mlp.fc2."},
      {"\\.attn\\.out_proj\\.", ".self_attn.out_proj."},
  };
  return *rules;
}

// One tensor of such a tower under transformers' name, or three where queries, keys and values are stacked.
void AddOpenClip(const std::string& name, const at::Tensor& tensor, NamedTensors& out) {
  const size_t stacked = name.find(".attn.in_proj_");
  if (stacked == std::string::npos) {
    out.tensors[name] = tensor;
    return;
  }
  const std::string scope = name.substr(0, stacked) + ".self_attn.";
  Unstack(tensor, {scope + "q_proj", scope + "k_proj", scope + "v_proj"}, name.substr(name.rfind('_') + 1),
          /*heads=*/0, out);
}

NamedTensors FromOpenClipVision(const NamedTensors& vision) {
  static const NameRules* const rules = new NameRules{
      {"^class_embedding$", "vision_model.embeddings.class_embedding"},
      {"^positional_embedding$", "vision_model.embeddings.position_embedding.weight"},
      {"^conv1\\.", "vision_model.embeddings.patch_embedding."},
      {"^ln_pre\\.", "vision_model.pre_layrnorm."},
      {"^ln_post\\.", "vision_model.post_layernorm."},
      {"^transformer\\.resblocks\\.", "vision_model.encoder.layers."},
  };
  NamedTensors out{vision.source, {}};
  for (const auto& [stored, tensor] : vision.tensors) {
    if (stored == "proj") {
      out.tensors["visual_projection.weight"] = tensor.t().contiguous();
    } else {
      AddOpenClip(OpenClipLayers()((*rules)(stored)), tensor, out);
    }
  }
  return out;
}

// `whole`: with its last layer and the projection.
NamedTensors FromOpenClip(const NamedTensors& text, bool whole) {
  static const NameRules* const rules = new NameRules{
      {"^positional_embedding$", "text_model.embeddings.position_embedding.weight"},
      {"^token_embedding\\.", "text_model.embeddings.token_embedding."},
      {"^ln_final\\.", "text_model.final_layer_norm."},
      {"^transformer\\.resblocks\\.", "text_model.encoder.layers."},
  };
  const int64_t last = CountAfter(text, "transformer.resblocks.") - 1;
  NamedTensors out{text.source, {}};
  for (const auto& [stored, tensor] : text.tensors) {
    if (stored == "logit_scale" || stored == "attn_mask") continue;
    if (stored == "text_projection") {
      if (whole) out.tensors["text_projection.weight"] = tensor.t().contiguous();
      continue;
    }
    if (!whole && NumberAfter(stored, "transformer.resblocks.") == last) continue;
    AddOpenClip(OpenClipLayers()((*rules)(stored)), tensor, out);
  }
  return out;
}

// What SDXL is told of frames stands under the same names as what Stable unCLIP is told of a picture.
NamedTensors ToldPictures(const NamedTensors& unet) {
  static const NameRules* const rules = new NameRules{{"^add_embedding\\.", "class_embedding."}};
  NamedTensors out{unet.source, {}};
  for (const auto& [name, tensor] : unet.tensors) out.tensors[(*rules)(name)] = tensor;
  return out;
}

// Embeddings of ViT-H as they are: its mean and deviation, which the files do not hold, are zero and one.
NamedTensors NormalizerOf(const NamedTensors& vision) {
  constexpr int64_t kOfVitH = 1024;
  const auto projection = vision.tensors.find("visual_projection.weight");
  if (projection == vision.tensors.end() || projection->second.size(0) != kOfVitH) return {};
  return {vision.source, {{"mean", at::zeros({1, kOfVitH})}, {"std", at::ones({1, kOfVitH})}}};
}

}  // namespace

bool IsLatentDiffusion(const NamedTensors& tensors) {
  return tensors.HasPrefix(kUNet) || tensors.Has(kFirstConvolution);
}

LatentDiffusionParts FromLatentDiffusion(const NamedTensors& tensors) {
  const NamedTensors unet = UNetIn(tensors);
  LatentDiffusionParts parts;
  parts["unet"] = FromGuidedDiffusionUNet(unet, LayersOf(unet));
  if (tensors.HasPrefix(kOldText)) parts["unet"] = ToldPictures(parts["unet"]);
  if (tensors.HasPrefix(kVision)) {
    parts["image_encoder"] = FromOpenClipVision(tensors.Under(kVision));
    if (NamedTensors normalizer = NormalizerOf(parts["image_encoder"]); !normalizer.tensors.empty())
      parts["image_normalizer"] = std::move(normalizer);
  }
  if (tensors.HasPrefix(kVae)) parts["vae"] = FromVae(tensors.Under(kVae));
  for (const TextTower& tower : kTextTowers) {
    if (!tensors.HasPrefix(tower.prefix)) continue;
    const NamedTensors own = tensors.Under(tower.prefix);
    parts[tower.component] = tower.open_clip ? FromOpenClip(own, tower.whole) : FromNewerTransformers(own);
  }
  return parts;
}

bool HasOpenClip(const NamedTensors& tensors, const std::string& component) {
  for (const TextTower& tower : kTextTowers) {
    if (tower.component == component && tensors.HasPrefix(tower.prefix)) return tower.open_clip;
  }
  return false;
}

NamedTensors FromAutoencoder(const NamedTensors& tensors) {
  const NamedTensors own = tensors.HasPrefix(kVae) ? tensors.Under(kVae) : tensors;
  NamedTensors vae{tensors.source, {}};
  for (const auto& [name, tensor] : own.tensors) {
    const bool of_training = name.starts_with("loss.") || name.starts_with("model_ema.");
    if (!of_training) vae.tensors[name] = tensor;
  }
  return vae.HasPrefix("encoder.down.") || vae.HasPrefix("decoder.up.") ? FromVae(vae) : vae;
}

}  // namespace mind::diffusion
