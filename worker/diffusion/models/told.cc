#include "worker/diffusion/models/told.h"

#include <algorithm>

namespace mind::diffusion {
namespace {

bool SameShape(const Control& a, const Control& b) {
  return a.network == b.network && a.graded == b.graded &&
         std::equal(a.maps.begin(), a.maps.end(), b.maps.begin(), b.maps.end(),
                    [](const at::Tensor& x, const at::Tensor& y) { return x.sizes() == y.sizes(); });
}

// The control of this number of all rows.
Control StackControls(const std::vector<const Told*>& rows, size_t number) {
  Control batch = rows.front()->controls()[number];
  std::vector<at::Tensor> weights;
  for (const Told* const row : rows) weights.push_back(row->controls()[number].weight);
  batch.weight = at::stack(weights);
  for (size_t i = 0; i < batch.maps.size(); ++i) {
    std::vector<at::Tensor> maps;
    for (const Told* const row : rows) maps.push_back(row->controls()[number].maps[i]);
    batch.maps[i] = at::stack(maps);
  }
  return batch;
}

}  // namespace

Told Told::At(int64_t number, int64_t of) const {
  Told told = *this;
  std::erase_if(told.controls_, [&](const Control& control) {
    const auto n = static_cast<double>(of);
    return static_cast<double>(number) / n < control.begin ||
           static_cast<double>(number + 1) / n > control.end;
  });
  return told;
}

Told Told::Stack(const std::vector<const Told*>& rows) {
  Told batch;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (!rows.front()->tensors_[kind].defined()) continue;
    std::vector<at::Tensor> tensors;
    for (const Told* const row : rows) tensors.push_back(row->tensors_[kind]);
    batch.tensors_[kind] = at::stack(tensors);
  }
  for (size_t i = 0; i < rows.front()->controls_.size(); ++i) batch.Add(StackControls(rows, i));
  return batch;
}

bool SameTensors(const Told& a, const Told& b) {
  for (size_t kind = 0; kind < Told::kKinds; ++kind) {
    const at::Tensor &x = a.tensors_[kind], &y = b.tensors_[kind];
    if (x.defined() != y.defined() || (x.defined() && x.sizes() != y.sizes())) return false;
  }
  return true;
}

bool SameShape(const Told& a, const Told& b) {
  return SameTensors(a, b) &&
         std::equal(a.controls_.begin(), a.controls_.end(), b.controls_.begin(), b.controls_.end(),
                    [](const Control& x, const Control& y) { return SameShape(x, y); });
}

}  // namespace mind::diffusion
