#include "worker/training/adam_w.h"

#include <cmath>

namespace mind::training {

AdamW::AdamW(const Tensors& parameters, Options options) : options_(options) {
  for (const auto& [name, parameter] : parameters) {
    means_[name] = at::zeros_like(parameter).set_requires_grad(false);
    squares_[name] = at::zeros_like(parameter).set_requires_grad(false);
  }
}

void AdamW::Step(const Tensors& parameters, const Tensors& gradients, double rate, int64_t step) {
  const at::NoGradGuard no_grad;
  const double n = static_cast<double>(step);
  const double unbiased1 = 1 - std::pow(options_.beta1, n), unbiased2 = 1 - std::pow(options_.beta2, n);
  for (const auto& [name, parameter] : parameters) {
    const at::Tensor& gradient = gradients.at(name);
    at::Tensor &mean = means_.at(name), &square = squares_.at(name);
    mean.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    square.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    if (options_.weight_decay > 0 && parameter.dim() > 1) parameter.mul_(1 - rate * options_.weight_decay);
    parameter.addcdiv_(mean, (square / unbiased2).sqrt_().add_(options_.epsilon), -rate / unbiased1);
  }
}

}  // namespace mind::training
