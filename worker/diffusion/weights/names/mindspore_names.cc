#include "worker/diffusion/weights/names/mindspore_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

const NameRules& MindSporeLeaves() {
  static const NameRules* const rules = new NameRules{
      // Taichu: what the training cell puts around the network. "model" is there or not by the loader.
      {"^(diffusion_with_p_sample\\.)?(p_mean_variance\\.)?guider_net\\.(model\\.)?", ""},
      {"\\.gamma$", ".weight"},
      {"\\.beta$", ".bias"},
      {"token_embedding\\.embedding_table$", "token_embedding.weight"},
      // Convolutions in a cell of their own.
      {"\\.(in|out)_layers_norm\\.", ".$1_layers.0."},
      {"\\.in_layers_conv\\.conv\\.", ".in_layers.2."},
      {"\\.out_layers_conv\\.conv\\.", ".out_layers.3."},
      {"\\.(in|out)_layers_(\\d)\\.(conv\\.)?", ".$1_layers.$2."},
      {"\\.skip_connection\\.conv\\.", ".skip_connection."},
      {"\\.op\\.conv\\.", ".op."},
      {"(^|\\.)out\\.2\\.conv\\.", "$1out.2."},
      {"^out2\\.conv\\.", "out.2."},
      {"input_blocks\\.0\\.0\\.conv\\.", "input_blocks.0.0."},
      {"(output_blocks\\.\\d+\\.\\d)\\.conv\\.conv\\.", "$1.conv."},
      {"\\.(qkv|encoder_kv|proj_out)\\.conv\\.", ".$1."},
      // Wukong's text tower, under transformers' names.
      {"^cond_stage_model\\.transformer\\.embedding_table$",
       "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"},
      {"^cond_stage_model\\.transformer\\.positional_embedding$",
       "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"},
      {"^cond_stage_model\\.transformer\\.ln_final\\.",
       "cond_stage_model.transformer.text_model.final_layer_norm."},
      {"^cond_stage_model\\.transformer\\.transformer_layer\\.resblocks\\.",
       "cond_stage_model.transformer.text_model.encoder.layers."},
      {"\\.attn\\.attn\\.", ".self_attn."},
      {"(text_model\\.encoder\\.layers\\.\\d+)\\.ln_(\\d)\\.", "$1.layer_norm$2."},
      {"(text_model\\.encoder\\.layers\\.\\d+)\\.c_fc\\.", "$1.mlp.fc1."},
      {"(text_model\\.encoder\\.layers\\.\\d+)\\.c_proj\\.", "$1.mlp.fc2."},
  };
  return *rules;
}

}  // namespace

NamedTensors FromMindSpore(const NamedTensors& tensors) {
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    if (tensor.dim() == 0) continue;
    const std::string name = MindSporeLeaves()(stored);
    const size_t stacked = name.find(".self_attn.in_proj.");
    if (stacked == std::string::npos) {
      out.tensors[name] = tensor;
      continue;
    }
    const std::string scope = name.substr(0, stacked) + ".self_attn.";
    Unstack(tensor, {scope + "q_proj", scope + "k_proj", scope + "v_proj"}, name.substr(name.rfind('.') + 1),
            /*heads=*/0, out);
  }
  return out;
}

}  // namespace mind::diffusion
