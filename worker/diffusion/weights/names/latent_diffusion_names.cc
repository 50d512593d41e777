#include "worker/diffusion/weights/names/latent_diffusion_names.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/name_rules.h"
#include "worker/diffusion/weights/names/unet_names.h"

namespace mind::diffusion {
namespace {

constexpr char kUNet[] = "model.diffusion_model.", kVae[] = "first_stage_model.";
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

// The number after `prefix`, or -1.
int64_t NumberAfter(const std::string& name, const std::string& prefix) {
  if (name.rfind(prefix, 0) != 0) return -1;
  const size_t end = name.find('.', prefix.size());
  const std::string number = name.substr(prefix.size(), end - prefix.size());
  const bool digits =
      !number.empty() && number.size() < 5 && number.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::stoll(number) : -1;
}

int64_t CountOf(const NamedTensors& tensors, const std::string& prefix) {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors.tensors) count = std::max(count, NumberAfter(name, prefix) + 1);
  return count;
}

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
  };
  const int64_t levels = CountOf(vae, "decoder.up.");
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

// `whole`: with its last layer and the projection.
NamedTensors FromOpenClip(const NamedTensors& text, bool whole) {
  static const NameRules* const rules = new NameRules{
      {"^positional_embedding$", "text_model.embeddings.position_embedding.weight"},
      {"^token_embedding\\.", "text_model.embeddings.token_embedding."},
      {"^ln_final\\.", "text_model.final_layer_norm."},
      {"^transformer\\.resblocks\\.", "text_model.encoder.layers."},
      {"\\.ln_(\\d)\\.", ".layer_norm$1."},
      {"\\.mlp\\.c_fc\\.", ".mlp.fc1."},
      {"\\.mlp\\.c_proj\\.", ".mlp.fc2."},
      {"\\.attn\\.out_proj\\.", ".self_attn.out_proj."},
  };
  const int64_t last = CountOf(text, "transformer.resblocks.") - 1;
  NamedTensors out{text.source, {}};
  for (const auto& [stored, tensor] : text.tensors) {
    if (stored == "logit_scale" || stored == "attn_mask") continue;
    if (stored == "text_projection") {
      if (whole) out.tensors["text_projection.weight"] = tensor.t().contiguous();
      continue;
    }
    if (!whole && NumberAfter(stored, "transformer.resblocks.") == last) continue;
    const std::string name = (*rules)(stored);
    const size_t stacked = name.find(".attn.in_proj_");
    if (stacked == std::string::npos) {
      out.tensors[name] = tensor;
      continue;
    }
    const std::string scope = name.substr(0, stacked) + ".self_attn.";
    Unstack(tensor, {scope + "q_proj", scope + "k_proj", scope + "v_proj"}, name.substr(name.rfind('_') + 1),
            /*heads=*/0, out);
  }
  return out;
}

}  // namespace

bool IsLatentDiffusion(const NamedTensors& tensors) {
  return tensors.HasPrefix(kUNet);
}

LatentDiffusionParts FromLatentDiffusion(const NamedTensors& tensors, int64_t layers) {
  for (const std::string part : {kUNet, kVae}) {
    if (!tensors.HasPrefix(part)) throw ModelError(tensors.source + ": no tensors of \"" + part + "\" in it");
  }
  LatentDiffusionParts parts;
  parts["unet"] = FromGuidedDiffusionUNet(tensors.Under(kUNet), layers);
  parts["vae"] = FromVae(tensors.Under(kVae));
  std::string known;
  bool reads = false;
  for (const TextTower& tower : kTextTowers) {
    known += std::string(known.empty() ? "" : ", ") + "\"" + tower.prefix + "\"";
    if (!tensors.HasPrefix(tower.prefix)) continue;
    const NamedTensors own = tensors.Under(tower.prefix);
    parts[tower.component] = tower.open_clip ? FromOpenClip(own, tower.whole) : own;
    reads = true;
  }
  if (!reads) throw ModelError(tensors.source + ": no text encoder of a known kind (" + known + ") in it");
  return parts;
}

}  // namespace mind::diffusion
