#include "worker/diffusion/weights/names/flux_names.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

constexpr char kFluxPrefix[] = "model.diffusion_model.";
// FLUX.2's blocks have none of their own.
constexpr char kFluxMark[] = "double_blocks.0.img_mod.lin.weight";
// Of a single block's first layer: queries, keys and values, and a layer four times as wide.
constexpr int64_t kLinear1Parts = 7;

const NameRules& FluxLayers() {
  static const NameRules* const rules = new NameRules{
      {"^img_in$", "x_embedder"},
      {"^txt_in$", "context_embedder"},
      {"^time_in\\.", "time_text_embed.timestep_embedder."},
      {"^vector_in\\.", "time_text_embed.text_embedder."},
      {"^guidance_in\\.", "time_text_embed.guidance_embedder."},
      {"\\.in_layer$", ".linear_1"},
      {"\\.out_layer$", ".linear_2"},
      {"^final_layer\\.linear$", "proj_out"},
      {"^final_layer\\.adaLN_modulation\\.1$", "norm_out.linear"},
      {"^double_blocks\\.(\\d+)\\.", "transformer_blocks.$1."},
      {"^single_blocks\\.(\\d+)\\.", "single_transformer_blocks.$1."},
      {"\\.img_mod\\.lin$", ".norm1.linear"},
      {"\\.txt_mod\\.lin$", ".norm1_context.linear"},
      {"\\.modulation\\.lin$", ".norm.linear"},
      {"\\.img_attn\\.norm\\.(query|key)_norm$", ".attn.norm_$1"},
      {"\\.txt_attn\\.norm\\.(query|key)_norm$", ".attn.norm_added_$1"},
      {"^(single_transformer_blocks\\.\\d+)\\.norm\\.(query|key)_norm$", "$1.attn.norm_$2"},
      {"\\.(norm|norm_added)_query$", ".$1_q"},
      {"\\.(norm|norm_added)_key$", ".$1_k"},
      {"\\.img_attn\\.proj$", ".attn.to_out.0"},
      {"\\.txt_attn\\.proj$", ".attn.to_add_out"},
      {"\\.img_mlp\\.0$", ".ff.net.0.proj"},
      {"\\.img_mlp\\.2$", ".ff.net.2"},
      {"\\.txt_mlp\\.0$", ".ff_context.net.0.proj"},
      {"\\.txt_mlp\\.2$", ".ff_context.net.2"},
      {"\\.linear2$", ".proj_out"},
  };
  return *rules;
}

bool EndsIn(const std::string& name, const std::string& ending, std::string& before) {
  if (!name.ends_with(ending)) return false;
  before = name.substr(0, name.size() - ending.size());
  return true;
}

}  // namespace

LayerShares SharesOfFluxLayer(const std::string& original) {
  const std::string name = FluxLayers()(original);
  std::string block;
  if (EndsIn(name, ".img_attn.qkv", block))
    return ThirdsOf(block + ".attn.to_q", block + ".attn.to_k", block + ".attn.to_v");
  if (EndsIn(name, ".txt_attn.qkv", block))
    return ThirdsOf(block + ".attn.add_q_proj", block + ".attn.add_k_proj", block + ".attn.add_v_proj");
  if (EndsIn(name, ".linear1", block))
    return {{block + ".attn.to_q", 0, 1, kLinear1Parts},
            {block + ".attn.to_k", 1, 1, kLinear1Parts},
            {block + ".attn.to_v", 2, 1, kLinear1Parts},
            {block + ".proj_mlp", 3, kLinear1Parts - 3, kLinear1Parts}};
  // Shift, then scale; diffusers has them the other way round.
  if (name == "norm_out.linear") return {{name, 1, 1, 2}, {name, 0, 1, 2}};
  if (name == original) return {};
  return {{name}};
}

bool IsOriginalFlux(const NamedTensors& tensors) {
  return tensors.Has(kFluxMark) || tensors.Has(std::string(kFluxPrefix) + kFluxMark);
}

NamedTensors FromOriginalFlux(const NamedTensors& tensors) {
  const bool own = tensors.Has(kFluxMark);
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : (own ? tensors : tensors.Under(kFluxPrefix)).tensors) {
    const size_t dot = stored.rfind('.');
    const std::string leaf = stored.substr(dot + 1);
    const LayerShares shares =
        dot == std::string::npos ? LayerShares() : SharesOfFluxLayer(stored.substr(0, dot));
    if (shares.empty()) throw ModelError(tensors.source + ": \"" + stored + "\" is no part of FLUX.1");
    for (const auto& [layer, rows] : Parted(shares, tensor))
      out.tensors[layer + "." + (leaf == "scale" ? "weight" : leaf)] = rows;
  }
  return out;
}

const OriginalNames& FluxNames() {
  static const OriginalNames* const names = new OriginalNames{
      "single_transformer_blocks.0.proj_out",
      [](const std::string& original, int64_t) { return SharesOfFluxLayer(original); },
      {{"single_blocks.", "single_transformer_blocks.", {"modulation.lin", "linear1", "linear2"}},
       {"double_blocks.",
        "transformer_blocks.",
        {"img_mod.lin", "txt_mod.lin", "img_attn.qkv", "txt_attn.qkv", "img_attn.proj", "txt_attn.proj",
         "img_mlp.0", "img_mlp.2", "txt_mlp.0", "txt_mlp.2"}}},
      {"img_in", "txt_in", "time_in.in_layer", "time_in.out_layer", "vector_in.in_layer",
       "vector_in.out_layer", "guidance_in.in_layer", "guidance_in.out_layer", "final_layer.linear",
       "final_layer.adaLN_modulation.1"}};
  return *names;
}

}  // namespace mind::diffusion
