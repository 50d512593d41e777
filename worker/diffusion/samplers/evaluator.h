// The meeting point of one trajectory's sampler and whoever runs the denoiser for it.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_EVALUATOR_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_EVALUATOR_H_

#include <ATen/ATen.h>

#include <coroutine>
#include <utility>

namespace mind::diffusion {

// The sampler's side:       at::Tensor out = co_await evaluate(x, t);     parks the step here
// The step batcher's side:  run the denoiser on input() and timestep(), Answer(out), resume the task.
// One evaluation is outstanding at a time. Not thread-safe; belongs to the trajectory's owner.
class Evaluator {
 public:
  class Evaluation {
   public:
    explicit Evaluation(Evaluator& evaluator) : evaluator_(evaluator) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    at::Tensor await_resume() const { return std::exchange(evaluator_.output_, at::Tensor()); }
    // What came beside the answer, once. Undefined: nothing.
    at::Tensor TakeLead() const { return std::exchange(evaluator_.lead_, at::Tensor()); }

   private:
    Evaluator& evaluator_;
  };

  // What the denoiser says of x at a timestep: x as the network wants it (scaled), the timestep in training
  // steps. The answer has x's shape, or twice its channels where the network predicts a variance too;
  // guidance is in it.
  Evaluation operator()(at::Tensor x, double timestep) {
    input_ = std::move(x);
    timestep_ = timestep;
    return Evaluation(*this);
  }

  const at::Tensor& input() const { return input_; }
  double timestep() const { return timestep_; }
  // `lead`: what is to shift the mean of a step (Sampler::shifts_mean), by x, in x's shape.
  void Answer(at::Tensor output, at::Tensor lead = {}) {
    input_ = at::Tensor();
    output_ = std::move(output);
    lead_ = std::move(lead);
  }

 private:
  at::Tensor input_;
  double timestep_ = 0;
  at::Tensor output_, lead_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_EVALUATOR_H_
