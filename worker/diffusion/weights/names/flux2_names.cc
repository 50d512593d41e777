#include "worker/diffusion/weights/names/flux2_names.h"

#include "worker/diffusion/weights/names/fused_layers.h"
#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

constexpr char kWholeFlux2[] = "model.diffusion_model.";
constexpr char kFlux2Mark[] = "double_stream_modulation_img.lin.weight";
constexpr char kFlux2LastNorm[] = "norm_out.linear";

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

}  // namespace

LayerShares SharesOfFlux2Layer(const std::string& original) {
  const std::string name = WithoutLeaf(Flux2Leaves()(original + ".weight"));
  // Shift, then scale; diffusers has them the other way round.
  if (name == kFlux2LastNorm) return {{name, 1, 1, 2}, {name, 0, 1, 2}};
  for (const bool text : {false, true}) {
    const std::string ending = text ? ".txt_attn.qkv" : ".img_attn.qkv";
    if (!name.ends_with(ending)) continue;
    const std::string attention = name.substr(0, name.size() - ending.size()) + ".attn.";
    return text ? ThirdsOf(attention + "add_q_proj", attention + "add_k_proj", attention + "add_v_proj")
                : ThirdsOf(attention + "to_q", attention + "to_k", attention + "to_v");
  }
  return {{name}};
}

const OriginalNames& Flux2Names() {
  static const OriginalNames* const names = new OriginalNames{
      "single_stream_modulation.linear",
      [](const std::string& original, int64_t) { return SharesOfFlux2Layer(original); },
      {{"single_blocks.", "single_transformer_blocks.", {"linear1", "linear2"}},
       {"double_blocks.",
        "transformer_blocks.",
        {"img_attn.qkv", "txt_attn.qkv", "img_attn.proj", "txt_attn.proj", "img_mlp.0", "img_mlp.2",
         "txt_mlp.0", "txt_mlp.2"}}},
      {"img_in", "txt_in", "time_in.in_layer", "time_in.out_layer", "guidance_in.in_layer",
       "guidance_in.out_layer", "double_stream_modulation_img.lin", "double_stream_modulation_txt.lin",
       "single_stream_modulation.lin", "final_layer.linear", "final_layer.adaLN_modulation.1"}};
  return *names;
}

NamedTensors FromOriginalFlux2(NamedTensors tensors) {
  if (tensors.HasPrefix(kWholeFlux2)) tensors = tensors.Under(kWholeFlux2);
  if (!tensors.Has(kFlux2Mark)) return tensors;
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    const std::string leaf = LeafOf(Flux2Leaves()(stored));
    for (const auto& [layer, rows] : Parted(SharesOfFlux2Layer(WithoutLeaf(stored)), tensor))
      out.tensors[layer + leaf] = rows;
  }
  return out;
}

}  // namespace mind::diffusion
