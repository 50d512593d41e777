// Dropout, for training alone: Srivastava et al. 2014.
#ifndef MIND_WORKER_DIFFUSION_MODELS_DROPOUT_H_
#define MIND_WORKER_DIFFUSION_MODELS_DROPOUT_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// While one of these is alive, the layers this thread runs drop so many of their values, drawn from the
// generator. A thread has at most one. Without one nothing is dropped, which is how models are served.
class DropoutScope {
 public:
  DropoutScope(double rate, at::Generator generator);
  ~DropoutScope();
  DropoutScope(const DropoutScope&) = delete;
  DropoutScope& operator=(const DropoutScope&) = delete;

 private:
  friend at::Tensor ActiveDropout(const at::Tensor& x);

  double rate_;
  at::Generator generator_;
};

// For layers: x, or in training what is left of it, scaled so that the mean stays.
at::Tensor ActiveDropout(const at::Tensor& x);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_DROPOUT_H_
