// All that a run needs to go on as if it had never stopped, as one file.
#ifndef MIND_WORKER_TRAINING_RUN_STATE_H_
#define MIND_WORKER_TRAINING_RUN_STATE_H_

#include <cstdint>
#include <string>

#include "worker/training/adam_w.h"
#include "worker/training/average.h"
#include "worker/training/parameters.h"

namespace mind::training {

// What learns, and how far it is. Random numbers and the order of the examples follow from the step.
struct Learner {
  Parameters& parameters;
  AdamW& optimizer;
  Average& average;
};

// The state after `step` steps. `run` identifies the run: what its configuration makes different.
std::string SerializeState(const Learner& learner, int64_t step, const std::string& run);

// Puts the state in and gives the step. Throws diffusion::ModelError naming `path` if it is damaged or of
// another run.
int64_t RestoreState(const std::string& path, const std::string& run, const Learner& learner);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_RUN_STATE_H_
