#include "worker/diffusion/weights/names/unet_names.h"

#include <algorithm>
#include <set>

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

// What stands in block `part` of an input or output block tells by the names inside.
bool IsResnet(const std::string& rest) {
  for (const char* const inside : {"in_layers.", "out_layers.", "emb_layers.", "skip_connection."}) {
    if (rest.rfind(inside, 0) == 0) return true;
  }
  return false;
}

// Blocks are numbered through, the first convolution being input block 0.
std::string UNetBlockName(const std::string& name, int64_t layers) {
  static const std::regex kPattern("(input_blocks|output_blocks)\\.(\\d{1,4})\\.(\\d)\\.(.*)");
  std::smatch match;
  if (!std::regex_match(name, match, kPattern)) return name;
  const bool down = match[1] == "input_blocks";
  const int64_t number = std::stoll(match[2]) - (down ? 1 : 0), part = std::stoll(match[3]);
  const std::string rest = match[4];
  if (number < 0) return "conv_in." + rest;
  const std::string level = (down ? "down_blocks." : "up_blocks.") + std::to_string(number / (layers + 1));
  const std::string index = std::to_string(number % (layers + 1));
  if (down && number % (layers + 1) == layers) return level + ".downsamplers.0." + rest;
  if (part == 0) return level + ".resnets." + index + "." + rest;
  const bool upsampler = !down && (IsResnet(rest) || rest.rfind("conv.", 0) == 0);
  return upsampler ? level + ".upsamplers.0." + rest : level + ".attentions." + index + "." + rest;
}

const NameRules& UNetLeaves() {
  static const NameRules* const rules = new NameRules{
      {"^time_embed\\.0\\.", "time_embedding.linear_1."},
      {"^time_embed\\.2\\.", "time_embedding.linear_2."},
      {"^label_emb\\.0\\.0\\.", "add_embedding.linear_1."},
      {"^label_emb\\.0\\.2\\.", "add_embedding.linear_2."},
      {"^label_emb\\.", "class_embedding."},
      {"^middle_block\\.0\\.", "mid_block.resnets.0."},
      {"^middle_block\\.1\\.", "mid_block.attentions.0."},
      {"^middle_block\\.2\\.", "mid_block.resnets.1."},
      {"^out\\.0\\.", "conv_norm_out."},
      {"^out\\.2\\.", "conv_out."},
      {"\\.downsamplers\\.0\\.op\\.", ".downsamplers.0.conv."},
      {"\\.in_layers\\.0\\.", ".norm1."},
      {"\\.in_layers\\.2\\.", ".conv1."},
      {"\\.emb_layers\\.1\\.", ".time_emb_proj."},
      {"\\.out_layers\\.0\\.", ".norm2."},
      {"\\.out_layers\\.3\\.", ".conv2."},
      {"\\.skip_connection\\.", ".conv_shortcut."},
  };
  return *rules;
}

}  // namespace

NamedTensors FromGuidedDiffusionUNet(const NamedTensors& tensors, int64_t layers,
                                     const std::function<int64_t(int64_t channels)>& heads) {
  NamedTensors out{tensors.source, {}};
  for (const auto& [stored, tensor] : tensors.tensors) {
    const std::string name = UNetLeaves()(UNetBlockName(stored, layers));
    const std::string leaf = name.substr(name.rfind('.') + 1);
    const size_t own = name.find(".qkv."), given = name.find(".encoder_kv.");
    if (own != std::string::npos) {
      const std::string scope = name.substr(0, own);
      Unstack(AsLinear(tensor), {scope + ".to_q", scope + ".to_k", scope + ".to_v"}, leaf,
              heads(tensor.size(0) / 3), out);
      continue;
    }
    if (given != std::string::npos) {
      const std::string scope = name.substr(0, given);
      Unstack(AsLinear(tensor), {scope + ".add_k_proj", scope + ".add_v_proj"}, leaf,
              heads(tensor.size(0) / 2), out);
      continue;
    }
    // An attention over stacked projections is our AttentionBlock, which names two things otherwise.
    const size_t attention = name.find(".attentions.");
    const std::string scope = stored.substr(0, stored.size() - leaf.size() - 1);
    const size_t last = scope.rfind('.');
    const std::string block = last == std::string::npos ? "" : stored.substr(0, last);
    if (attention != std::string::npos && tensors.Has(block + ".qkv.weight")) {
      static const NameRules kAttention{{"\\.norm\\.(weight|bias)$", ".group_norm.$1"},
                                        {"\\.proj_out\\.(weight|bias)$", ".to_out.0.$1"}};
      out.tensors[kAttention(name)] = AsLinear(tensor);
      continue;
    }
    out.tensors[name] = tensor;
  }
  return out;
}

std::map<std::string, std::string> GuidedDiffusionNames(const std::vector<std::string>& layers) {
  static const NameRules* const leaves = new NameRules{
      {"^conv_in$", "input_blocks.0.0"},
      {"^time_embedding\\.linear_1$", "time_embed.0"},
      {"^time_embedding\\.linear_2$", "time_embed.2"},
      {"^add_embedding\\.linear_1$", "label_emb.0.0"},
      {"^add_embedding\\.linear_2$", "label_emb.0.2"},
      {"^mid_block\\.resnets\\.0\\.", "middle_block.0."},
      {"^mid_block\\.attentions\\.0\\.", "middle_block.1."},
      {"^mid_block\\.resnets\\.1\\.", "middle_block.2."},
      {"^conv_out$", "out.2"},
      {"\\.conv1$", ".in_layers.2"},
      {"\\.time_emb_proj$", ".emb_layers.1"},
      {"\\.conv2$", ".out_layers.3"},
      {"\\.conv_shortcut$", ".skip_connection"},
  };
  static const std::regex kPattern(
      "(down|up)_blocks\\.(\\d{1,4})\\.(resnets|attentions|downsamplers|upsamplers)\\.(\\d{1,4})\\.(.*)");
  int64_t blocks = 0;  // residual ones of a level on the way down
  std::set<std::string> with_attention;
  std::smatch match;
  for (const std::string& layer : layers) {
    if (!std::regex_match(layer, match, kPattern)) continue;
    if (match[1] == "down" && match[3] == "resnets")
      blocks = std::max<int64_t>(blocks, std::stoll(match[4]) + 1);
    if (match[1] == "up" && match[3] == "attentions") with_attention.insert(match[2]);
  }
  std::map<std::string, std::string> names;
  for (const std::string& layer : layers) {
    std::string name = layer;
    if (std::regex_match(layer, match, kPattern)) {
      const bool down = match[1] == "down";
      const int64_t level = std::stoll(match[2]) * (blocks + 1), index = std::stoll(match[4]);
      const std::string kind = match[3], rest = match[5];
      const auto block = [&](int64_t number, int64_t part) {
        return (down ? "input_blocks." + std::to_string(number + 1)
                     : "output_blocks." + std::to_string(number)) +
               "." + std::to_string(part) + ".";
      };
      if (kind == "resnets") {
        name = block(level + index, 0) + rest;
      } else if (kind == "attentions") {
        name = block(level + index, 1) + rest;
      } else if (down) {
        name = block(level + blocks, 0) + "op";
      } else {
        name = block(level + blocks, with_attention.count(match[2]) != 0 ? 2 : 1) + rest;
      }
    }
    names[layer] = (*leaves)(name);
  }
  return names;
}

}  // namespace mind::diffusion
