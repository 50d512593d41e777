// Which parked evaluations share the next batch.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_
#define MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_

#include <functional>
#include <memory>
#include <vector>

#include "worker/diffusion/engine/batch_cap.h"
#include "worker/diffusion/engine/trajectory.h"

namespace mind::diffusion {

// Whether two trajectories' rows fit one batch: same model, same latent shape, conditions of the same shape,
// whatever steers them. Those steered otherwise are another forward of it (RowExecutor).
bool FitTogether(const Trajectory& a, const Trajectory& b);

// The step thread's own.
class StepBatches {
 public:
  using TrajectoryPtr = std::shared_ptr<Trajectory>;
  // t(B) of the leader's model and shape.
  using CapOf = std::function<const BatchCap&(const Trajectory& leader)>;

  // Processors that are at work beside the steps for pictures of a priority above the one given.
  using BusyAbove = std::function<size_t(int64_t priority)>;

  StepBatches(CapOf cap_of, BusyAbove busy_above)
      : cap_of_(std::move(cap_of)), busy_above_(std::move(busy_above)) {}

  // Of the trajectories given, all parked, at least one: the highest priority first, among equals the one
  // served longest ago, and with it all of its priority that fit together in that same order, as far as the
  // cap reaches. Fair by construction: whoever waits longest leads the next batch of its priority. Lower
  // priorities ride along only where that makes the step no slower, by what was measured. While they are kept
  // out they are owed a small share of the time, and when it is enough for a step of the one of them served
  // longest ago, that one leads.
  // None of them, where all processors that the first would need are busy for higher priorities beside the
  // steps: then wait a little and ask again.
  std::vector<TrajectoryPtr> Next(std::vector<TrajectoryPtr> parked);
  // How long the forward of the last batch took, or the wait if it was empty.
  void Took(double seconds);

 private:
  // The leader, by its place among `parked`. REQUIRES: parked is in order.
  size_t Leader(const std::vector<TrajectoryPtr>& parked) const;
  // Whether what is owed is enough for a step of this one.
  bool Repays(const Trajectory& trajectory) const;

  const CapOf cap_of_;
  const BusyAbove busy_above_;
  double owed_ = 0;  // seconds, to those kept out by higher priorities
  // About the last batch.
  bool repaid_ = false;    // it was led by one that was owed it
  bool kept_out_ = false;  // by it somebody of a lower priority than its leader's
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_
