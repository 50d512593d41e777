// Which of a trajectory's evaluations one is.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_CALL_NUMBER_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_CALL_NUMBER_H_

#include <cstdint>

#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// What parts of the steps are parts of: from where a trajectory begins, diffusers counts evaluations, of
// which a step may take two, for what steers it, and steps for guidance.
struct CallNumber {
  int64_t number = 0;  // from 0
  int64_t of = 1;
  // Likewise the step it is in, of all that there are, also where another model takes the last of them.
  int64_t step = 0;
  int64_t steps = 1;

  // The evaluation of this number within step `step`, of a trajectory that goes from step `first` to `end`.
  // It follows from those alone, so that a trajectory that is gone on with counts as it did. The rules that
  // take more evaluations than steps take one more in each of their first steps, as far as those go: all but
  // the last (Heun), or the very first (PNDM). Not so PNDM with its Runge-Kutta start, which takes three more
  // in each of its first three: for it the number within those steps and soon after is approximate, and with
  // it where a part of the steps begins and ends. Of an adaptive rule, which takes what it takes, a step's
  // all count as its last. REQUIRES: first <= step < end
  static CallNumber Of(const Sampler& sampler, int64_t first, int64_t end, int64_t step, int64_t in_step);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_CALL_NUMBER_H_
