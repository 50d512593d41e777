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

LayerShares SharesOfZImageLayer(const std::string& original) {
  const std::string name = WithoutLeaf(ZImageLeaves()(original + ".weight"));
  constexpr std::string_view kStacked = ".qkv";
  if (!name.ends_with(kStacked)) return {{name}};
  const std::string attention = name.substr(0, name.size() - kStacked.size()) + ".";
  return ThirdsOf(attention + "to_q", attention + "to_k", attention + "to_v");
}

const OriginalNames& ZImageNames() {
  static const std::vector<const char*> block = {"attention.qkv",   "attention.out",   "feed_forward.w1",
                                                 "feed_forward.w2", "feed_forward.w3", "adaLN_modulation.0"};
  static const OriginalNames* const names =
      new OriginalNames{"cap_embedder.1",
                        [](const std::string& original, int64_t) { return SharesOfZImageLayer(original); },
                        {{"layers.", "layers.", block},
                         {"noise_refiner.", "noise_refiner.", block},
                         {"context_refiner.", "context_refiner.", block}},
                        {"x_embedder", "cap_embedder.1", "t_embedder.mlp.0", "t_embedder.mlp.2",
                         "final_layer.linear", "final_layer.adaLN_modulation.1"}};
  return *names;
}

NamedTensors FromOriginalZImage(NamedTensors tensors) {
  if (tensors.HasPrefix(kWholeZImage)) tensors = tensors.Under(kWholeZImage);
  if (!tensors.Has("x_embedder.weight")) return tensors;
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    if (stored == kUnusedZNorm) continue;
    for (const auto& [layer, rows] : Parted(SharesOfZImageLayer(WithoutLeaf(stored)), tensor))
      out.tensors[layer + LeafOf(stored)] = rows;
  }
  return out;
}

}  // namespace mind::diffusion
