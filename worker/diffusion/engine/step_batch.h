// Which parked evaluations share the next batch.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_
#define MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "worker/diffusion/engine/batch_cap.h"
#include "worker/diffusion/engine/step_turns.h"
#include "worker/diffusion/engine/trajectory.h"

namespace mind::diffusion {

// Whether two trajectories' rows fit one batch: same model, same latent shape, conditions of the same shape,
// whatever steers them. Those steered otherwise are another forward of it (RowExecutor).
bool FitTogether(const Trajectory& a, const Trajectory& b);

// The step thread's own.
class StepBatches {
 public:
  using TrajectoryPtr = std::shared_ptr<Trajectory>;

  // What the batches are chosen by.
  struct Facts {
    // t(B) of the leader's model and shape.
    std::function<const BatchCap&(const Trajectory& leader)> cap_of;
    // What a trajectory's steps still take, in seconds; 0: not known.
    std::function<double(const Trajectory&)> seconds_left;
    // Processors that are at work beside the steps for pictures of a priority above the one given.
    std::function<size_t(int64_t priority)> busy_above;
  };

  explicit StepBatches(Facts facts, StepTurns::Options turns = {})
      : facts_(std::move(facts)), turns_(turns) {}

  // Of the trajectories given, all parked, at least one: the highest priority first, among equals by their
  // turns (StepTurns), and with the first of them all of its priority that fit together in that same order,
  // as far as the cap reaches. Lower priorities ride along only where that makes the step no slower, by what
  // was measured. While they are kept out they are owed a small share of the time, and when it is enough for
  // a step of the one of them served longest ago, that one leads. None of them, where all processors that the
  // first would need are busy for higher priorities beside the steps: then wait a little and ask again.
  std::vector<TrajectoryPtr> Next(std::vector<TrajectoryPtr> parked);
  // How long the forward of the last batch took, or the wait if it was empty.
  void Took(double seconds);

 private:
  using Trajectories = std::vector<TrajectoryPtr>;

  // Those of the highest priority by their turns, then the others: higher first, then who was served longest
  // ago.
  void Sort(Trajectories& parked);
  // The leader, by its place among `parked`. REQUIRES: parked is in order.
  size_t Leader(const Trajectories& parked) const;
  // The leader and who goes with it. REQUIRES: the others are in order.
  Trajectories With(const TrajectoryPtr& leader, const Trajectories& others, size_t room);
  // Whether what is owed is enough for a step of this one.
  bool Repays(const Trajectory& trajectory) const;
  double StepSeconds(const Trajectory& trajectory) const;

  const Facts facts_;
  StepTurns turns_;
  double owed_ = 0;  // seconds, to those kept out by higher priorities
  // About the last batch.
  bool repaid_ = false;    // it was led by one that was owed it
  bool kept_out_ = false;  // by it somebody of a lower priority than its leader's
  std::vector<StepTurns::Share> shares_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_
