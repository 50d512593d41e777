#include "worker/diffusion/models/adapter.h"

#include <algorithm>

namespace mind::diffusion {
namespace {

// Not an argument of every block between the batch and the layers: which row has which adapter is nobody's
// business in between.
thread_local const std::vector<AdapterSet>* active_rows = nullptr;

}  // namespace

const LowRankUpdate* Adapter::Find(const at::Tensor& weight) const {
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

void AddActiveUpdates(
    const at::Tensor& weight, const at::Tensor& x, const at::Tensor& y,
    const std::function<at::Tensor(const at::Tensor& x, const LowRankUpdate& update)>& apply) {
  if (active_rows == nullptr) return;
  const int64_t rows = static_cast<int64_t>(active_rows->size());
  TORCH_CHECK(x.size(0) == rows, "a layer is given ", x.size(0), " rows where the batch has ", rows);
  for (int64_t i = 0; i < rows; ++i) {
    for (const ScaledAdapter& active : (*active_rows)[static_cast<size_t>(i)]) {
      const LowRankUpdate* update = active.adapter->Find(weight);
      if (update == nullptr) continue;
      y.narrow(0, i, 1).add_(apply(x.narrow(0, i, 1), *update), active.scale * update->factor);
    }
  }
}

}  // namespace mind::diffusion
