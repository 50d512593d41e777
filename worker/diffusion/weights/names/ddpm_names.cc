#include "worker/diffusion/weights/names/ddpm_names.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

// Blocks are numbered through: on the way down `layers` and a halving a level, on the way up one more.
std::string DdpmBlockName(const std::string& name, int64_t layers) {
  static const std::regex kPattern("(downs|ups|mid)\\.(\\d{1,4})\\.(.*)");
  std::smatch match;
  if (!std::regex_match(name, match, kPattern)) return name;
  const int64_t number = std::stoll(match[2]);
  const std::string kind = match[1], rest = match[3];
  const bool attention = rest.rfind("attention.", 0) == 0;
  const std::string place = attention ? ".attentions." : ".resnets.";
  const std::string inner = attention ? rest.substr(std::string("attention.").size()) : rest;
  if (kind == "mid") return "mid_block" + place + std::to_string(number) + "." + inner;
  const int64_t per_level = kind == "downs" ? layers + 1 : layers + 2;
  const std::string level =
      (kind == "downs" ? "down_blocks." : "up_blocks.") + std::to_string(number / per_level);
  if (rest.rfind("downsample.", 0) == 0 || rest.rfind("upsample.", 0) == 0) return level + "." + rest;
  return level + place + std::to_string(number % per_level) + "." + inner;
}

const NameRules& DdpmLeaves() {
  static const NameRules* const rules = new NameRules{
      {"^init_conv\\.", "conv_in."},
      {"^time_mlp\\.1\\.", "time_embedding.linear_1."},
      {"^time_mlp\\.3\\.", "time_embedding.linear_2."},
      {"^out_norm\\.", "conv_norm_out."},
      {"^out_conv\\.", "conv_out."},
      {"\\.downsample\\.", ".downsamplers.0.conv."},
      {"\\.upsample\\.1\\.", ".upsamplers.0.conv."},
      {"(resnets\\.\\d+)\\.norm_(\\d)\\.", "$1.norm$2."},
      {"(resnets\\.\\d+)\\.conv_1\\.", "$1.conv1."},
      {"(resnets\\.\\d+)\\.conv_2\\.1\\.", "$1.conv2."},
      {"(resnets\\.\\d+)\\.time_bias\\.", "$1.time_emb_proj."},
      {"(resnets\\.\\d+)\\.residual_connection\\.", "$1.conv_shortcut."},
      {"(attentions\\.\\d+)\\.norm\\.", "$1.group_norm."},
      {"(attentions\\.\\d+)\\.to_out\\.", "$1.to_out.0."},
  };
  return *rules;
}

}  // namespace

NamedTensors FromReportDdpm(const NamedTensors& state, int64_t layers) {
  if (state.Has("conv_in.weight")) {  // as mind-train writes it
    NamedTensors ours = state;
    ours.tensors.erase("betas");
    return ours;
  }
  const NamedTensors averaged = state.Under("ema_model.");
  if (averaged.tensors.empty()) {
    throw ModelError(state.source + ": no \"ema_model.\" tensors: not a state dict of the report's DDPM");
  }
  NamedTensors out{state.source, {}};
  for (const auto& [stored, tensor] : averaged.tensors) {
    const std::string name = DdpmLeaves()(DdpmBlockName(stored, layers));
    const size_t stacked = name.find(".to_qkv.");
    if (stacked != std::string::npos) {
      const std::string scope = name.substr(0, stacked);
      Unstack(AsLinear(tensor), {scope + ".to_q", scope + ".to_k", scope + ".to_v"},
              name.substr(name.rfind('.') + 1), /*heads=*/0, out);
    } else {
      out.tensors[name] = name.find(".attentions.") != std::string::npos ? AsLinear(tensor) : tensor;
    }
  }
  return out;
}

}  // namespace mind::diffusion
