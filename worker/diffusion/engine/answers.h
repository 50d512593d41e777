// What the rows of a batch come to: one answer for each evaluation, guided and, where a scorer leads the
// picture, led.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_ANSWERS_H_
#define MIND_WORKER_DIFFUSION_ENGINE_ANSWERS_H_

#include <memory>
#include <vector>

#include "worker/diffusion/engine/row_runner.h"
#include "worker/diffusion/engine/trajectory.h"

namespace mind::diffusion {

struct Answer : RowResult {
  at::Tensor lead;  // as Evaluator::Answer takes it
};

using Batch = std::vector<std::shared_ptr<Trajectory>>;

// One a trajectory, from what its rows have, which lie one behind the other. The step thread's, as what
// follows.
std::vector<Answer> AnswersOf(const Batch& batch, const std::vector<RowResult>& rows);

struct Led {
  size_t rows = 0;    // of scorers
  bool clean = true;  // all went well, and at once
};

// Has scorers lead those answers that one leads: as rows of that network, no more than `at_once` at a time. A
// sampler that shifts means gets the gradient beside its answer, for any other the gradient moves that.
Led LeadAnswers(const Batch& batch, RowRunner& runner, size_t at_once, std::vector<Answer>& answers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_ANSWERS_H_
