#include "worker/diffusion/models/told.h"

namespace mind::diffusion {

Told Told::Stack(const std::vector<const Told*>& rows) {
  Told batch;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (!rows.front()->tensors_[kind].defined()) continue;
    std::vector<at::Tensor> tensors;
    for (const Told* const row : rows) tensors.push_back(row->tensors_[kind]);
    batch.tensors_[kind] = at::stack(tensors);
  }
  return batch;
}

bool SameShape(const Told& a, const Told& b) {
  for (size_t kind = 0; kind < Told::kKinds; ++kind) {
    const at::Tensor &x = a.tensors_[kind], &y = b.tensors_[kind];
    if (x.defined() != y.defined() || (x.defined() && x.sizes() != y.sizes())) return false;
  }
  return true;
}

}  // namespace mind::diffusion
