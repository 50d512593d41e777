// Layers that other programs keep as one: queries, keys and values, say, of which each is a layer here.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FUSED_LAYERS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FUSED_LAYERS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "worker/diffusion/weights/lora_kinds.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// Rows of such a layer that are rows of one of ours: of `of` equal parts that it has, `count` from the
// `first` on. Where one of ours has several, they are in its order.
struct LayerShare {
  std::string layer;
  int64_t first = 0, count = 1, of = 1;

  // [rows, ..] → [rows · count / of, ..]. Throws ModelError where they cannot be parted so.
  at::Tensor Of(const at::Tensor& rows) const;
};
using LayerShares = std::vector<LayerShare>;

// Queries, keys and values, as they are kept in one.
inline LayerShares ThirdsOf(const std::string& q, const std::string& k, const std::string& v) {
  return {{q, 0, 1, 3}, {k, 1, 1, 3}, {v, 2, 1, 3}};
}

// Of a tensor of the fused layer's rows, ours by layer. Throws ModelError.
std::map<std::string, at::Tensor> Parted(const LayerShares& shares, const at::Tensor& rows);
// The way back, of our weights. REQUIRES: the shares are all the rows there are, and `layers` has them all.
at::Tensor FusedWeight(const LayerShares& shares, const LayerWeights& layers);
// Of an update of the fused layer, those of ours by layer.
std::map<std::string, StoredUpdate> Parted(const LayerShares& shares, const StoredUpdate& update);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FUSED_LAYERS_H_
