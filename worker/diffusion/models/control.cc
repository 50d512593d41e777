#include "worker/diffusion/models/control.h"

namespace mind::diffusion {
namespace {

// In the type of what is added, which is the network's that it is added in.
at::Tensor Plus(const at::Tensor& sum, const at::Tensor& more, const at::Tensor& weight) {
  const at::Tensor part = (more * weight).to(more.scalar_type());
  return sum.defined() ? sum + part : part;
}

void AddTo(std::vector<at::Tensor>& sums, const std::vector<at::Tensor>& more, const at::Tensor& weight) {
  if (sums.size() < more.size()) sums.resize(more.size());
  for (size_t i = 0; i < more.size(); ++i) sums[i] = Plus(sums[i], more[i], weight);
}

}  // namespace

Additions AdditionsOf(const DenoiserInput& input) {
  Additions sum;
  for (const Control& control : input.told.controls()) {
    const at::Tensor weight = control.several() ? at::ones({1, 1, 1, 1}, control.weight.options())
                                                : control.weight.reshape({-1, 1, 1, 1});
    if (control.network == nullptr) {
      AddTo(sum.features, control.maps, weight);
      continue;
    }
    const Additions own = (*control.network)(input, control);
    AddTo(sum.skips, own.skips, weight);
    sum.middle = Plus(sum.middle, own.middle, weight);
  }
  return sum;
}

}  // namespace mind::diffusion
