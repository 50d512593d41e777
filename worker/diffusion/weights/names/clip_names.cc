#include "worker/diffusion/weights/names/clip_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {

NamedTensors FromNewerTransformers(NamedTensors tensors) {
  if (!tensors.Has("embeddings.token_embedding.weight")) return tensors;
  static const NameRules kTower{{"^(embeddings|encoder|final_layer_norm)\\.", "text_model.$1."}};
  NamedTensors renamed{tensors.source, {}, tensors.metadata};
  for (const auto& [name, tensor] : tensors.tensors) renamed.tensors[kTower(name)] = tensor;
  return renamed;
}

}  // namespace mind::diffusion
