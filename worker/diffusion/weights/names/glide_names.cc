#include "worker/diffusion/weights/names/glide_names.h"

#include "worker/diffusion/weights/names/name_rules.h"
#include "worker/diffusion/weights/names/unet_names.h"

namespace mind::diffusion {
namespace {

const NameRules& TextLeaves() {
  static const NameRules* const rules = new NameRules{
      {"^transformer\\.resblocks\\.", "text.layers."},
      {"\\.ln_(\\d)\\.", ".layer_norm$1."},
      {"\\.attn\\.c_qkv\\.", ".self_attn.qkv."},
      {"\\.attn\\.c_proj\\.", ".self_attn.out_proj."},
      {"\\.mlp\\.c_fc\\.", ".mlp.fc1."},
      {"\\.mlp\\.c_proj\\.", ".mlp.fc2."},
      {"^final_ln\\.", "text.final_norm."},
      {"^(token_embedding\\.|positional_embedding|padding_embedding)", "text.$1"},
      {"^transformer_proj\\.", "unet.add_embedding."},
  };
  return *rules;
}

}  // namespace

NamedTensors FromGlide(const NamedTensors& tensors, const GlideShape& shape) {
  NamedTensors out{tensors.source, {}};
  NamedTensors unet{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    const std::string name = TextLeaves()(stored);
    const size_t stacked = name.find(".self_attn.qkv.");
    if (stacked != std::string::npos) {
      const std::string scope = name.substr(0, stacked) + ".self_attn.";
      Unstack(tensor, {scope + "q_proj", scope + "k_proj", scope + "v_proj"},
              name.substr(name.rfind('.') + 1), shape.text_heads, out);
    } else if (name.rfind("text.", 0) == 0 || name.rfind("unet.", 0) == 0) {
      out.tensors[name] = tensor;
    } else {
      unet.tensors[name] = tensor;
    }
  }
  for (auto& [name, tensor] : FromGuidedDiffusionUNet(unet, shape.layers, shape.heads_of_channels).tensors) {
    out.tensors["unet." + name] = tensor;
  }
  return out;
}

}  // namespace mind::diffusion
