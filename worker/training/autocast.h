// Mixed precision: matrix products and convolutions in bfloat16, what is delicate in float, parameters and
// their gradients in float. PyTorch's autocast (pytorch.org/docs, torch.amp).
#ifndef MIND_WORKER_TRAINING_AUTOCAST_H_
#define MIND_WORKER_TRAINING_AUTOCAST_H_

#include <c10/core/Device.h>

namespace mind::training {

enum class Precision { kFloat, kBFloat16 };

// What this thread computes on a device while it lives. Nothing with kFloat. Gradients follow the types of
// what they are of, so it need not live while they are computed. Scopes are not nested.
class AutocastScope {
 public:
  AutocastScope(Precision precision, at::Device device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  const bool on_, cuda_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_AUTOCAST_H_
