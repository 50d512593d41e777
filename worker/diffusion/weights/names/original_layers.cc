#include "worker/diffusion/weights/names/original_layers.h"

#include <algorithm>

#include "worker/diffusion/weights/names/flux2_names.h"
#include "worker/diffusion/weights/names/flux_names.h"
#include "worker/diffusion/weights/names/name_rules.h"
#include "worker/diffusion/weights/names/sd3_names.h"
#include "worker/diffusion/weights/names/z_image_names.h"

namespace mind::diffusion {
namespace {

// Null: none of those that are known.
const OriginalNames* NetworkOf(const LayerWeights& layers, const std::string& prefix) {
  for (const OriginalNames* names : {&FluxNames(), &Flux2Names(), &ZImageNames(), &Sd3Names()}) {
    if (layers.count(prefix + names->mark) != 0) return names;
  }
  return nullptr;
}

int64_t BlocksOf(const std::string& kind, const LayerWeights& layers, const std::string& prefix) {
  int64_t count = 0;
  for (const auto& [layer, weight] : layers) count = std::max(count, NumberAfter(layer, prefix + kind) + 1);
  return count;
}

}  // namespace

std::map<std::string, LayerShares> OriginalLayers(const LayerWeights& layers, const std::string& prefix) {
  std::map<std::string, LayerShares> found;
  const OriginalNames* const names = NetworkOf(layers, prefix);
  if (names == nullptr) return found;
  const int64_t first = BlocksOf(names->blocks.front().ours, layers, prefix);
  const auto add = [&](const std::string& original) {
    LayerShares shares = names->shares(original, first);
    for (LayerShare& share : shares) share.layer = prefix + share.layer;
    const bool all = std::all_of(shares.begin(), shares.end(), [&layers](const LayerShare& share) {
      return layers.count(share.layer) != 0;
    });
    if (all && !shares.empty()) found[original] = std::move(shares);
  };
  for (const auto& [theirs, ours, block] : names->blocks) {
    for (int64_t number = 0; number < BlocksOf(ours, layers, prefix); ++number) {
      for (const char* const layer : block) add(theirs + std::to_string(number) + "." + layer);
    }
  }
  for (const char* const layer : names->others) add(layer);
  return found;
}

}  // namespace mind::diffusion
