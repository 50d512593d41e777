// The loop.
#ifndef MIND_WORKER_TRAINING_TRAINER_H_
#define MIND_WORKER_TRAINING_TRAINER_H_

#include <atomic>
#include <functional>
#include <string>

#include "worker/training/batch_order.h"
#include "worker/training/loss_log.h"
#include "worker/training/objective.h"
#include "worker/training/progress.h"
#include "worker/training/run_config.h"
#include "worker/training/run_state.h"

namespace mind::training {

// Learns, step after step, in a folder of its own:
//   state.safetensors   to go on from; loss.csv, loss.png; model/, served by a worker as it is, with the
//   averaged parameters; samples/, sheets of pictures of it.
// A batch is parted among `threads`, each with a network pass of its own; their gradients are added in a
// fixed order. The same configuration and number of threads give the same bytes, however often it stops.
class Trainer {
 public:
  struct Options {
    std::string folder;
    int threads = 1;
    std::function<void(const Progress& progress)> report;  // called after every step; may be null
  };

  // Goes on from the folder's state; without one, begins, from the model in config.start_from if there is
  // one. Throws diffusion::Error.
  Trainer(const RunConfig& config, Options options, Objective& objective, Parameters& parameters);

  // Until the last step, or until told to stop: then the state is stored first. Throws diffusion::Error if
  // the loss is no longer a number, or a file cannot be written.
  void Run(const std::atomic<bool>& stop);

  int64_t step() const { return step_; }

 private:
  int64_t Begin();
  at::Tensor LossOf(const std::vector<int64_t>& examples, StepRandom& random) const;
  double Step();
  // As a whole: whoever serves the model from there never loads half of one and half of another.
  void StoreModel() const;
  void Store();
  void ShowSamples() const;
  void Report(double seconds, bool row) const;

  const RunConfig config_;
  const Options options_;
  Objective& objective_;
  Parameters& parameters_;
  AdamW optimizer_;
  Average average_;
  BatchOrder order_;
  int64_t step_ = 0;
  LossLog log_;
  double loss_sum_ = 0;  // since the log's last row
  int64_t loss_steps_ = 0;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_TRAINER_H_
