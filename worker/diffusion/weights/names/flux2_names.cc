#include "worker/diffusion/weights/names/flux2_names.h"

#include "worker/diffusion/weights/names/fused_layers.h"
#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

constexpr char kWholeFlux2[] = "model.diffusion_model.";
constexpr char kFlux2Mark[] = "double_stream_modulation_img.lin.weight";
constexpr char kFlux2LastNorm[] = "norm_out.linear.weight";

const NameRules& Flux2Leaves() {
  static const NameRules* const rules = new NameRules{
      {"\\.scale$", ".weight"},
      {"^img_in\\.", "x_embedder."},
      {"^txt_in\\.", "context_embedder."},
      {"^time_in\\.", "time_guidance_embed.timestep_embedder."},
      {"^guidance_in\\.", "time_guidance_embed.guidance_embedder."},
      {"\\.in_layer\\.", ".linear_1."},
      {"\\.out_layer\\.", ".linear_2."},
      {"^(double_stream_modulation_(img|txt)|single_stream_modulation)\\.lin\\.", "$1.linear."},
      {"^final_layer\\.linear\\.", "proj_out."},
      {"^final_layer\\.adaLN_modulation\\.1\\.", "norm_out.linear."},
      {"^double_blocks\\.(\\d+)\\.", "transformer_blocks.$1."},
      {"^single_blocks\\.(\\d+)\\.", "single_transformer_blocks.$1."},
      {"\\.img_attn\\.norm\\.(query|key)_norm\\.", ".attn.norm_$1."},
      {"\\.txt_attn\\.norm\\.(query|key)_norm\\.", ".attn.norm_added_$1."},
      {"^(single_transformer_blocks\\.\\d+)\\.norm\\.(query|key)_norm\\.", "$1.attn.norm_$2."},
      {"\\.(norm|norm_added)_query\\.", ".$1_q."},
      {"\\.(norm|norm_added)_key\\.", ".$1_k."},
      {"\\.img_attn\\.proj\\.", ".attn.to_out.0."},
      {"\\.txt_attn\\.proj\\.", ".attn.to_add_out."},
      {"\\.img_mlp\\.0\\.", ".ff.linear_in."},
      {"\\.img_mlp\\.2\\.", ".ff.linear_out."},
      {"\\.txt_mlp\\.0\\.", ".ff_context.linear_in."},
      {"\\.txt_mlp\\.2\\.", ".ff_context.linear_out."},
      {"\\.linear1\\.", ".attn.to_qkv_mlp_proj."},
      {"\\.linear2\\.", ".attn.to_out."},
  };
  return *rules;
}

// Queries, keys and values of a stream, which are one layer there: whether it is such a one.
bool UnstackedFlux2(const std::string& name, const at::Tensor& tensor, NamedTensors& out) {
  for (const bool text : {false, true}) {
    const std::string_view layer = text ? ".txt_attn.qkv." : ".img_attn.qkv.";
    const size_t at = name.find(layer);
    if (at == std::string::npos) continue;
    const std::string block = name.substr(0, at) + ".attn.";
    const std::vector<std::string> names =
        text ? std::vector{block + "add_q_proj", block + "add_k_proj", block + "add_v_proj"}
             : std::vector{block + "to_q", block + "to_k", block + "to_v"};
    Unstack(tensor, names, name.substr(at + layer.size()), /*heads=*/0, out);
    return true;
  }
  return false;
}

}  // namespace

NamedTensors FromOriginalFlux2(NamedTensors tensors) {
  if (tensors.HasPrefix(kWholeFlux2)) tensors = tensors.Under(kWholeFlux2);
  if (!tensors.Has(kFlux2Mark)) return tensors;
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    const std::string name = Flux2Leaves()(stored);
    if (UnstackedFlux2(name, tensor, out)) continue;
    // Shift, then scale; diffusers has them the other way round.
    out.tensors[name] =
        name == kFlux2LastNorm ? Parted({{name, 1, 1, 2}, {name, 0, 1, 2}}, tensor).at(name) : tensor;
  }
  return out;
}

}  // namespace mind::diffusion
