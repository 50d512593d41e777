#include "worker/diffusion/weights/names/qwen_names.h"

#include <string_view>

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

// Before the language model's own names, the longest first.
constexpr std::string_view kLanguageModel[] = {"model.language_model.", "language_model.model.", "model."};
constexpr std::string_view kOfOtherUse[] = {"lm_head.", "language_model.lm_head.", "visual.",
                                            "model.visual."};

}  // namespace

NamedTensors QwenTextPart(const NamedTensors& stored, int64_t layers) {
  NamedTensors part{stored.source, {}};
  for (const auto& [name, tensor] : stored.tensors) {
    std::string_view own = name;
    bool unused = false;
    for (const std::string_view prefix : kOfOtherUse) unused = unused || own.starts_with(prefix);
    if (unused) continue;
    for (const std::string_view prefix : kLanguageModel) {
      if (!own.starts_with(prefix)) continue;
      own.remove_prefix(prefix.size());
      break;
    }
    const std::string short_name(own);
    if (NumberAfter(short_name, "layers.") < layers) part.tensors[short_name] = tensor;
  }
  return part;
}

}  // namespace mind::diffusion
