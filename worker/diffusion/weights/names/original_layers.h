// Transformers' layers as the networks' authors name them, by which LoRAs name them that were made for such
// files: FLUX.1, FLUX.2, Z-Image and Stable Diffusion 3. Qwen-Image's authors name them as diffusers does.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_ORIGINAL_LAYERS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_ORIGINAL_LAYERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "worker/diffusion/weights/names/fused_layers.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// Of one network.
struct OriginalNames {
  // A layer of ours that of all these networks only it has, and those that stand behind it.
  const char* mark;
  // Our layers that an original one holds, where the network has so many blocks of the first kind.
  LayerShares (*shares)(const std::string& original, int64_t blocks);
  struct Blocks {
    const char *theirs, *ours;  // before a block's number
    std::vector<const char*> layers;
  };
  std::vector<Blocks> blocks;
  std::vector<const char*> others;  // outside them
};

// The original layers that hold layers of `prefix` ("transformer.") among these, and nothing else, with what
// they hold, `prefix` before it. Empty: these are of none of the networks.
std::map<std::string, LayerShares> OriginalLayers(const LayerWeights& layers, const std::string& prefix);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_ORIGINAL_LAYERS_H_
