#include "worker/diffusion/weights/names/control_names.h"

#include <regex>

#include "worker/diffusion/weights/names/name_rules.h"
#include "worker/diffusion/weights/names/unet_names.h"

namespace mind::diffusion {
namespace {

// The hint's convolutions are numbered with the activations between them.
std::string HintName(const std::string& name, int64_t last) {
  static const std::regex kPattern("input_hint_block\\.(\\d{1,3})\\.(.*)");
  std::smatch match;
  if (!std::regex_match(name, match, kPattern)) return name;
  const int64_t number = std::stoll(match[1]);
  const std::string which = number == 0      ? "conv_in"
                            : number == last ? "conv_out"
                                             : "blocks." + std::to_string(number / 2 - 1);
  return "controlnet_cond_embedding." + which + "." + match[2].str();
}

int64_t LastHint(const NamedTensors& tensors) {
  int64_t last = 0;
  while (tensors.Has("input_hint_block." + std::to_string(last + 2) + ".weight")) last += 2;
  return last;
}

}  // namespace

NamedTensors FromOriginalControlNet(NamedTensors tensors, int64_t layers) {
  constexpr char kPrefix[] = "control_model.";
  if (tensors.HasPrefix(kPrefix)) tensors = tensors.Under(kPrefix);
  if (!tensors.HasPrefix("input_hint_block.")) return tensors;
  static const NameRules kAdditions{{"^zero_convs\\.(\\d+)\\.0\\.", "controlnet_down_blocks.$1."},
                                    {"^middle_block_out\\.0\\.", "controlnet_mid_block."}};
  const int64_t last = LastHint(tensors);
  NamedTensors renamed{tensors.source, {}};
  for (const auto& [name, tensor] : tensors.tensors)
    renamed.tensors[kAdditions(HintName(name, last))] = tensor;
  return FromGuidedDiffusionUNet(renamed, layers);
}

NamedTensors FromOriginalT2iAdapter(NamedTensors tensors, int64_t layers) {
  if (!tensors.HasPrefix("body.")) return tensors;
  static const std::regex kLight("body\\.(\\d{1,3})\\.body\\.(\\d{1,3})\\.(.*)");
  static const std::regex kFull("body\\.(\\d{1,3})\\.(block1|block2|in_conv)\\.(.*)");
  const bool light = !tensors.Has("conv_in.weight");
  NamedTensors renamed{tensors.source, {}};
  for (const auto& [name, tensor] : tensors.tensors) {
    std::smatch match;
    std::string ours = name;
    if (std::regex_match(name, match, kLight)) {
      ours = "body." + match[1].str() + ".resnets." + match[2].str() + "." + match[3].str();
    } else if (!light && std::regex_match(name, match, kFull)) {
      // Numbered through; the first of a block brings its channels about.
      const int64_t number = std::stoll(match[1]);
      const std::string part = match[2], block = "body." + std::to_string(number / layers);
      ours = block + (part == "in_conv" ? "" : ".resnets." + std::to_string(number % layers)) + "." + part +
             "." + match[3].str();
    }
    renamed.tensors["adapter." + ours] = tensor;
  }
  return renamed;
}

}  // namespace mind::diffusion
