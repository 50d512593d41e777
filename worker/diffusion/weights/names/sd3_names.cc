#include "worker/diffusion/weights/names/sd3_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

constexpr char kSd3Prefix[] = "model.diffusion_model.";
constexpr char kSd3Mark[] = "joint_blocks.0.x_block.attn.qkv.weight", kSd3Positions[] = "pos_embed";

const NameRules& Sd3Leaves() {
  static const NameRules* const rules = new NameRules{
      {"^pos_embed$", "pos_embed.pos_embed"},
      {"^x_embedder\\.proj\\.", "pos_embed.proj."},
      {"^t_embedder\\.mlp\\.", "time_text_embed.timestep_embedder."},
      {"^y_embedder\\.mlp\\.", "time_text_embed.text_embedder."},
      {"_embedder\\.0\\.", "_embedder.linear_1."},
      {"_embedder\\.2\\.", "_embedder.linear_2."},
      {"^final_layer\\.linear\\.", "proj_out."},
      {"^final_layer\\.adaLN_modulation\\.1\\.", "norm_out.linear."},
      {"^joint_blocks\\.", "transformer_blocks."},
      {"\\.x_block\\.adaLN_modulation\\.1\\.", ".norm1.linear."},
      {"\\.context_block\\.adaLN_modulation\\.1\\.", ".norm1_context.linear."},
      {"\\.x_block\\.(attn2?)\\.proj\\.", ".$1.to_out.0."},
      {"\\.context_block\\.attn\\.proj\\.", ".attn.to_add_out."},
      {"\\.x_block\\.(attn2?)\\.ln_(q|k)\\.", ".$1.norm_$2."},
      {"\\.context_block\\.attn\\.ln_(q|k)\\.", ".attn.norm_added_$1."},
      {"\\.x_block\\.(attn2?)\\.qkv\\.", ".$1.to_qkv."},
      {"\\.context_block\\.attn\\.qkv\\.", ".attn.add_qkv_proj."},
      {"\\.x_block\\.mlp\\.fc1\\.", ".ff.net.0.proj."},
      {"\\.x_block\\.mlp\\.fc2\\.", ".ff.net.2."},
      {"\\.context_block\\.mlp\\.fc1\\.", ".ff_context.net.0.proj."},
      {"\\.context_block\\.mlp\\.fc2\\.", ".ff_context.net.2."},
  };
  return *rules;
}

}  // namespace

LayerShares SharesOfSd3Layer(const std::string& original, int64_t blocks) {
  const std::string name = WithoutLeaf(Sd3Leaves()(original + ".weight"));
  // Shift, then scale; diffusers has them the other way round where there is no gate.
  if (name == "norm_out.linear" ||
      name == "transformer_blocks." + std::to_string(blocks - 1) + ".norm1_context.linear")
    return {{name, 1, 1, 2}, {name, 0, 1, 2}};
  const size_t place = name.rfind("qkv");
  if (place == std::string::npos) return {{name}};
  const auto part = [&](const char* one) { return std::string(name).replace(place, 3, one); };
  return ThirdsOf(part("q"), part("k"), part("v"));
}

const OriginalNames& Sd3Names() {
  static const OriginalNames* const names =
      new OriginalNames{"context_embedder",
                        SharesOfSd3Layer,
                        {{"joint_blocks.",
                          "transformer_blocks.",
                          {"x_block.adaLN_modulation.1", "x_block.attn.qkv", "x_block.attn.proj",
                           "x_block.attn2.qkv", "x_block.attn2.proj", "x_block.mlp.fc1", "x_block.mlp.fc2",
                           "context_block.adaLN_modulation.1", "context_block.attn.qkv",
                           "context_block.attn.proj", "context_block.mlp.fc1", "context_block.mlp.fc2"}}},
                        {"context_embedder", "t_embedder.mlp.0", "t_embedder.mlp.2", "y_embedder.mlp.0",
                         "y_embedder.mlp.2", "final_layer.linear", "final_layer.adaLN_modulation.1"}};
  return *names;
}

bool IsOriginalSd3(const NamedTensors& tensors) {
  return tensors.Has(kSd3Mark) || tensors.Has(std::string(kSd3Prefix) + kSd3Mark);
}

NamedTensors FromOriginalSd3(const NamedTensors& tensors) {
  const NamedTensors own = tensors.Has(kSd3Mark) ? tensors : tensors.Under(kSd3Prefix);
  const int64_t blocks = CountAfter(own, "joint_blocks.");
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : own.tensors) {
    // What is no layer's has no leaf.
    if (const std::string name = Sd3Leaves()(stored); stored == kSd3Positions) {
      out.tensors[name] = tensor;
      continue;
    }
    for (const auto& [layer, rows] : Parted(SharesOfSd3Layer(WithoutLeaf(stored), blocks), tensor))
      out.tensors[layer + LeafOf(stored)] = rows;
  }
  return out;
}

}  // namespace mind::diffusion
