#include "worker/diffusion/weights/names/qwen_vision_names.h"

namespace mind::diffusion {

NamedTensors QwenVisionPart(const NamedTensors& stored) {
  NamedTensors part = stored.Under(stored.HasPrefix("visual.") ? "visual." : "model.visual.");
  if (const auto kernel = part.tensors.find("patch_embed.proj.weight"); kernel != part.tensors.end())
    kernel->second = kernel->second.flatten(1);
  return part;
}

}  // namespace mind::diffusion
