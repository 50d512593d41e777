// How much work on a picture is worth a checkpoint.
//
// When a worker dies, the work since the last checkpoint is lost: half an interval in the mean. With a cost C
// of each and a mean time M between deaths, the sum of what is lost and what is paid is least at an interval
// of sqrt(2 C M) (J. W. Young, "A First Order Approximation to the Optimum Checkpoint Interval",
// Communications of the ACM 17:9, 1974). Two bounds beside it: no more work is at risk than the operator
// allows; and, above that, checkpoints never cost more than a twentieth of the work.
//
// Pictures that take less than their interval have none.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_PACE_H_
#define MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_PACE_H_

#include <cstddef>

namespace mind::diffusion {

// Constant; any thread may ask.
class CheckpointPace {
 public:
  // Seconds of work that may be lost; 0: there is to be a checkpoint after every step.
  explicit CheckpointPace(double most_lost) : most_lost_(most_lost) {}

  // What a checkpoint of this size costs, that took so long to make: it is carried as well, to the server and
  // perhaps into its store.
  static double Cost(double seconds, size_t bytes);
  // Seconds of work between two checkpoints of that cost.
  double Interval(double cost) const;

  // Of one that has not been made yet.
  static constexpr double kUnknownCost = 1e-3;

 private:
  const double most_lost_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_PACE_H_
