#include "worker/diffusion/models/told.h"

#include <algorithm>

#include "worker/diffusion/models/perturbation.h"

namespace mind::diffusion {
namespace {

bool SameShape(const Control& a, const Control& b) {
  return a.network == b.network && a.graded == b.graded && a.kinds == b.kinds &&
         std::equal(a.maps.begin(), a.maps.end(), b.maps.begin(), b.maps.end(),
                    [](const at::Tensor& x, const at::Tensor& y) { return x.sizes() == y.sizes(); });
}

bool SameShape(const PicturePrompt& a, const PicturePrompt& b) {
  return a.prompter == b.prompter && a.tokens.sizes() == b.tokens.sizes() &&
         a.masks.defined() == b.masks.defined() && (!a.masks.defined() || a.masks.sizes() == b.masks.sizes());
}

PicturePrompt StackPrompts(const std::vector<const Told*>& rows, size_t number) {
  PicturePrompt batch = rows.front()->picture_prompts()[number];
  std::vector<at::Tensor> tokens, weights, masks;
  for (const Told* const row : rows) {
    const PicturePrompt& own = row->picture_prompts()[number];
    tokens.push_back(own.tokens);
    weights.push_back(own.weights);
    masks.push_back(own.masks);
  }
  batch.tokens = at::stack(tokens);
  batch.weights = at::stack(weights);
  if (batch.masks.defined()) batch.masks = at::stack(masks);
  return batch;
}

bool Alike(const std::shared_ptr<const Perturbation>& a, const std::shared_ptr<const Perturbation>& b) {
  return a == b || (a != nullptr && b != nullptr && a->layers == b->layers);
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
  std::erase_if(told.controls_, [&](const Control& control) { return !control.within.Has(number, of); });
  for (Control& control : told.controls_) {
    if (control.each.empty()) continue;
    std::vector<float> acts;
    for (const Interval& interval : control.each) acts.push_back(interval.Has(number, of) ? 1.0F : 0.0F);
    control.weight = control.weight * at::tensor(acts).to(control.weight.device());
  }
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
  batch.perturbation_ = rows.front()->perturbation_;
  for (size_t i = 0; i < rows.front()->picture_prompts_.size(); ++i) batch.Add(StackPrompts(rows, i));
  for (size_t i = 0; i < rows.front()->controls_.size(); ++i) batch.Add(StackControls(rows, i));
  return batch;
}

Told Told::Row(int64_t number) const {
  Told row = *this;
  const auto narrow = [number](at::Tensor& tensor) { tensor = tensor.narrow(0, number, 1); };
  for (at::Tensor& tensor : row.tensors_) {
    if (tensor.defined()) narrow(tensor);
  }
  for (Control& control : row.controls_) {
    narrow(control.weight);
    for (at::Tensor& map : control.maps) narrow(map);
  }
  for (PicturePrompt& prompt : row.picture_prompts_) {
    narrow(prompt.tokens);
    narrow(prompt.weights);
    if (prompt.masks.defined()) narrow(prompt.masks);
  }
  return row;
}

bool SameTensors(const Told& a, const Told& b) {
  for (size_t kind = 0; kind < Told::kKinds; ++kind) {
    const at::Tensor &x = a.tensors_[kind], &y = b.tensors_[kind];
    if (x.defined() != y.defined() || (x.defined() && x.sizes() != y.sizes())) return false;
  }
  return true;
}

bool SameShape(const Told& a, const Told& b) {
  const auto same = [](const auto& x, const auto& y) { return SameShape(x, y); };
  return SameTensors(a, b) && Alike(a.perturbation_, b.perturbation_) &&
         std::equal(a.controls_.begin(), a.controls_.end(), b.controls_.begin(), b.controls_.end(), same) &&
         std::equal(a.picture_prompts_.begin(), a.picture_prompts_.end(), b.picture_prompts_.begin(),
                    b.picture_prompts_.end(), same);
}

}  // namespace mind::diffusion
