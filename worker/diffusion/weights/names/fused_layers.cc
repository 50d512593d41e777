#include "worker/diffusion/weights/names/fused_layers.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

at::Tensor LayerShare::Of(const at::Tensor& rows) const {
  if (rows.dim() < 1 || rows.size(0) % of != 0)
    throw ModelError("the rows of " + ShapeText(rows.sizes()) + ", some of which are \"" + layer +
                     "\", cannot be parted into " + std::to_string(of));
  const int64_t part = rows.size(0) / of;
  return rows.narrow(0, first * part, count * part);
}

std::map<std::string, at::Tensor> Parted(const LayerShares& shares, const at::Tensor& rows) {
  std::map<std::string, at::Tensor> parted;
  for (const LayerShare& share : shares) {
    at::Tensor& own = parted[share.layer];
    own = own.defined() ? at::cat({own, share.Of(rows)}) : share.Of(rows);
  }
  return parted;
}

at::Tensor FusedWeight(const LayerShares& shares, const LayerWeights& layers) {
  std::map<std::string, int64_t> parts, taken;
  for (const LayerShare& share : shares) parts[share.layer] += share.count;
  std::map<int64_t, at::Tensor> in_order;
  for (const LayerShare& share : shares) {
    const at::Tensor& weight = layers.at(share.layer);
    const int64_t part = weight.size(0) / parts[share.layer];
    int64_t& begin = taken[share.layer];
    in_order[share.first] = weight.narrow(0, begin, share.count * part);
    begin += share.count * part;
  }
  std::vector<at::Tensor> rows;
  for (const auto& [first, some] : in_order) rows.push_back(some);
  return rows.size() == 1 ? rows.front() : at::cat(rows);
}

std::map<std::string, StoredUpdate> Parted(const LayerShares& shares, const StoredUpdate& update) {
  std::map<std::string, StoredUpdate> updates;
  const auto part = [&](at::Tensor StoredUpdate::*member) {
    if (!(update.*member).defined()) return;
    for (const auto& [layer, own] : Parted(shares, update.*member)) updates[layer].*member = own;
  };
  part(&StoredUpdate::up);
  part(&StoredUpdate::delta);
  part(&StoredUpdate::bias);
  for (auto& [layer, own] : updates) {
    own.down = update.down;
    own.factor = update.factor;
  }
  return updates;
}

}  // namespace mind::diffusion
