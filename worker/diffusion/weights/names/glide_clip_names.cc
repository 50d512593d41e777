#include "worker/diffusion/weights/names/glide_clip_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

const NameRules& GlideClipLayers() {
  static const NameRules* const rules = new NameRules{{"^blocks\\.block_(\\d+)\\.", "encoder.layers.$1."},
                                                      {"\\.f_attn\\.ln\\.", ".layer_norm1."},
                                                      {"\\.f_mlp\\.ln\\.", ".layer_norm2."},
                                                      {"\\.f_attn\\.f_([qkv])\\.", ".self_attn.$1_proj."},
                                                      {"\\.f_attn\\.f_c\\.", ".self_attn.out_proj."},
                                                      {"\\.f_mlp\\.f_([12])\\.", ".mlp.fc$1."},
                                                      {"\\.[wg]$", ".weight"},
                                                      {"\\.b$", ".bias"}};
  return *rules;
}

void Rename(const NamedTensors& tower, const std::string& to, const NameRules& ends, NamedTensors& all) {
  for (const auto& [name, tensor] : tower.tensors) {
    const std::string ours = ends(GlideClipLayers()(name));
    // Beside the tower, in a CLIPModel.
    const bool projects = ours.find("_projection.") != std::string::npos;
    all.tensors[projects ? ours : to + ours] = tensor;
    constexpr char kKeys[] = ".self_attn.k_proj.weight";
    if (ours.ends_with(kKeys))
      all.tensors[to + WithoutLeaf(ours) + ".bias"] = at::zeros({tensor.size(0)}, tensor.options());
  }
}

}  // namespace

std::vector<std::string> GlideClipFiles(const std::string& folder) {
  return {folder + "/clip_image_enc.safetensors", folder + "/clip_text_enc.safetensors"};
}

NamedTensors ReadGlideClip(const std::string& folder) {
  static const NameRules kPicture{{"^blocks\\.input\\.w_t$", "embeddings.class_embedding"},
                                  {"^blocks\\.input\\.patch_proj$", "embeddings.patch_embedding.weight"},
                                  {"^blocks\\.input\\.w_pos$", "embeddings.position_embedding.weight"},
                                  {"^blocks\\.input\\.ln\\.", "pre_layrnorm."},  // its name so
                                  {"^blocks\\.output\\.ln\\.", "post_layernorm."},
                                  {"^blocks\\.output\\.f\\.", "visual_projection."}};
  static const NameRules kText{{"^blocks\\.input\\.w_voc$", "embeddings.token_embedding.weight"},
                               {"^blocks\\.input\\.w_pos$", "embeddings.position_embedding.weight"},
                               {"^blocks\\.output\\.ln\\.", "final_layer_norm."},
                               {"^blocks\\.output\\.f\\.", "text_projection."}};
  const std::vector<std::string> files = GlideClipFiles(folder);
  NamedTensors all{.source = folder, .tensors = {}};
  Rename(ReadWeights(files[0]), "vision_model.", kPicture, all);
  Rename(ReadWeights(files[1]), "text_model.", kText, all);
  return all;
}

}  // namespace mind::diffusion
