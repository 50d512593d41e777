#include "worker/diffusion/weights/names/dit_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

const NameRules& DitLeaves() {
  static const NameRules* const rules = new NameRules{
      {"^x_embedder\\.", "pos_embed."},
      {"^t_embedder\\.mlp\\.0\\.", "transformer_blocks.0.norm1.emb.timestep_embedder.linear_1."},
      {"^t_embedder\\.mlp\\.2\\.", "transformer_blocks.0.norm1.emb.timestep_embedder.linear_2."},
      {"^y_embedder\\.", "transformer_blocks.0.norm1.emb.class_embedder."},
      {"^final_layer\\.adaLN_modulation\\.1\\.", "proj_out_1."},
      {"^final_layer\\.linear\\.", "proj_out_2."},
      {"^blocks\\.(\\d+)\\.adaLN_modulation\\.1\\.", "transformer_blocks.$1.norm1.linear."},
      {"^blocks\\.(\\d+)\\.attn\\.proj\\.", "transformer_blocks.$1.attn1.to_out.0."},
      {"^blocks\\.(\\d+)\\.mlp\\.fc1\\.", "transformer_blocks.$1.ff.net.0.proj."},
      {"^blocks\\.(\\d+)\\.mlp\\.fc2\\.", "transformer_blocks.$1.ff.net.2."},
      {"^blocks\\.(\\d+)\\.attn\\.qkv\\.", "transformer_blocks.$1.attn1.qkv."},
  };
  return *rules;
}

}  // namespace

NamedTensors FromOriginalDit(const NamedTensors& tensors) {
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    if (stored == "pos_embed") continue;  // sines and cosines, which we compute
    const std::string name = DitLeaves()(stored);
    const size_t stacked = name.find(".qkv.");
    if (stacked == std::string::npos) {
      out.tensors[name] = tensor;
      continue;
    }
    const std::string scope = name.substr(0, stacked);
    Unstack(tensor, {scope + ".to_q", scope + ".to_k", scope + ".to_v"}, name.substr(name.rfind('.') + 1),
            /*heads=*/0, out);
  }
  return out;
}

}  // namespace mind::diffusion
