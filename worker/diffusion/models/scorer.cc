#include "worker/diffusion/models/scorer.h"

#include <utility>

namespace mind::diffusion {

at::Tensor Scorer::operator()(const DenoiserInput& input) const {
  // What was made under inference mode has no part in gradients; copies made outside do.
  const c10::InferenceMode outside(false);
  DenoiserInput copies{
      .sample = input.sample.clone().set_requires_grad(true), .timestep = input.timestep.clone(), .told = {}};
  for (const Condition kind : {Condition::kPooled, Condition::kLabel}) {
    if (const at::Tensor& tensor = input.told[kind]; tensor.defined()) copies.told.Set(kind, tensor.clone());
  }
  Score(copies).sum().backward();
  return copies.sample.grad();
}

}  // namespace mind::diffusion
