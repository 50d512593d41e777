#include "worker/diffusion/weights/names/z_image_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

constexpr char kWholeZImage[] = "model.diffusion_model.";
// A norm that their network has and does not use.
constexpr char kUnusedZNorm[] = "norm_final.weight";

const NameRules& ZImageLeaves() {
  static const NameRules* const rules = new NameRules{
      {"^x_embedder\\.", "all_x_embedder.2-1."},          {"^final_layer\\.", "all_final_layer.2-1."},
      {"\\.attention\\.q_norm\\.", ".attention.norm_q."}, {"\\.attention\\.k_norm\\.", ".attention.norm_k."},
      {"\\.attention\\.out\\.", ".attention.to_out.0."},
  };
  return *rules;
}

}  // namespace

NamedTensors FromOriginalZImage(NamedTensors tensors) {
  if (tensors.HasPrefix(kWholeZImage)) tensors = tensors.Under(kWholeZImage);
  if (!tensors.Has("x_embedder.weight")) return tensors;
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    if (stored == kUnusedZNorm) continue;
    const std::string name = ZImageLeaves()(stored);
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
