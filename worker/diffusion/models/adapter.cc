#include "worker/diffusion/models/adapter.h"

#include <algorithm>

namespace mind::diffusion {
namespace {

// Not an argument of every block between the batch and the layers: which row has which adapter is nobody's
// business in between.
thread_local const std::vector<AdapterSet>* active_rows = nullptr;

}  // namespace

const LayerUpdate* Adapter::Find(const at::Tensor& weight) const {
  const auto found = updates_.find(weight.unsafeGetTensorImpl());
  return found == updates_.end() ? nullptr : &found->second;
}

AdapterScope::AdapterScope(std::vector<AdapterSet> rows) : rows_(std::move(rows)) {
  TORCH_CHECK(active_rows == nullptr, "one AdapterScope inside another");
  const bool any =
      std::any_of(rows_.begin(), rows_.end(), [](const AdapterSet& set) { return !set.empty(); });
  if (any) active_rows = &rows_;
}

AdapterScope::~AdapterScope() {
  active_rows = nullptr;
}

void AddActiveUpdates(const at::Tensor& weight, const at::Tensor& x, const at::Tensor& y,
                      const LayerProduct& product) {
  if (active_rows == nullptr) return;
  const int64_t rows = static_cast<int64_t>(active_rows->size());
  TORCH_CHECK(x.size(0) == rows, "a layer is given ", x.size(0), " rows where the batch has ", rows);
  for (int64_t i = 0; i < rows; ++i) {
    for (const ScaledAdapter& active : (*active_rows)[static_cast<size_t>(i)]) {
      const LayerUpdate* update = active.adapter->Find(weight);
      if (update == nullptr) continue;
      const at::Tensor in = x.narrow(0, i, 1), out = y.narrow(0, i, 1);
      if (update->down.defined()) {
        const at::Tensor low = product(in, update->down, /*first=*/true);
        out.add_(product(low, update->up, /*first=*/false), active.scale * update->factor);
      }
      if (update->delta.defined()) out.add_(product(in, update->delta, /*first=*/true), active.scale);
      if (update->bias.defined()) {
        // Of maps [1, out, H, W] the channels come second, of tokens [1, …, out] last.
        const bool map = weight.dim() == 4;
        out.add_(map ? update->bias.view({1, -1, 1, 1}) : update->bias, active.scale);
      }
    }
  }
}

}  // namespace mind::diffusion
