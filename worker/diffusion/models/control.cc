#include "worker/diffusion/models/control.h"

namespace mind::diffusion {
namespace {

void AddTo(std::vector<at::Tensor>& sums, const std::vector<at::Tensor>& more, const at::Tensor& weight) {
  if (sums.size() < more.size()) sums.resize(more.size());
  for (size_t i = 0; i < more.size(); ++i)
    sums[i] = sums[i].defined() ? sums[i] + more[i] * weight : more[i] * weight;
}

}  // namespace

Additions AdditionsOf(const DenoiserInput& input) {
  Additions sum;
  for (const Control& control : input.told.controls()) {
    const at::Tensor weight = control.several()
                                  ? at::ones({1, 1, 1, 1}, input.sample.options())
                                  : control.weight.reshape({-1, 1, 1, 1}).to(input.sample.scalar_type());
    if (control.network == nullptr) {
      AddTo(sum.features, control.maps, weight);
      continue;
    }
    const Additions own = (*control.network)(input, control);
    AddTo(sum.skips, own.skips, weight);
    sum.middle = sum.middle.defined() ? sum.middle + own.middle * weight : own.middle * weight;
  }
  return sum;
}

}  // namespace mind::diffusion
