#include "worker/diffusion/weights/names/sd3_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

constexpr char kSd3Prefix[] = "model.diffusion_model.";
constexpr char kSd3Mark[] = "joint_blocks.0.x_block.attn.qkv.weight";

const NameRules& Sd3Names() {
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

// "….to_qkv", "….add_qkv_proj" → the names of its three parts; none: it has none.
std::vector<std::string> PartsOfSd3Layer(const std::string& layer) {
  const size_t place = layer.rfind("qkv");
  if (place == std::string::npos) return {};
  std::vector<std::string> parts;
  for (const char* const one : {"q", "k", "v"}) parts.push_back(std::string(layer).replace(place, 3, one));
  return parts;
}

// Shift, then scale; diffusers has them the other way round.
at::Tensor ScaleFirst(const at::Tensor& rows) {
  const std::vector<at::Tensor> halves = rows.chunk(2);
  return at::cat({halves[1], halves[0]});
}

}  // namespace

bool IsOriginalSd3(const NamedTensors& tensors) {
  return tensors.Has(kSd3Mark) || tensors.Has(std::string(kSd3Prefix) + kSd3Mark);
}

NamedTensors FromOriginalSd3(const NamedTensors& tensors) {
  const NamedTensors own = tensors.Has(kSd3Mark) ? tensors : tensors.Under(kSd3Prefix);
  const std::string last = "transformer_blocks." + std::to_string(CountAfter(own, "joint_blocks.") - 1);
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : own.tensors) {
    const std::string name = Sd3Names()(stored);
    const size_t dot = name.rfind('.');
    const std::string layer = name.substr(0, dot), leaf = name.substr(dot + 1);
    if (const std::vector<std::string> parts = PartsOfSd3Layer(layer); !parts.empty()) {
      Unstack(tensor, parts, leaf, /*heads=*/0, out);
    } else if (layer == "norm_out.linear" || layer == last + ".norm1_context.linear") {
      out.tensors[name] = ScaleFirst(tensor);
    } else {
      out.tensors[name] = tensor;
    }
  }
  return out;
}

}  // namespace mind::diffusion
