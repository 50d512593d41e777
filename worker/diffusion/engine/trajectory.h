// One picture being made, as the engine holds it.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_H_
#define MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/diffusion/engine/checkpoint_pace.h"
#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/mutex.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// The newest estimate waiting to become a preview. A newer one replaces it (a late preview is dropped, never
// queued), but not the first, so that every request shows something early. Thread-safe.
class PreviewSlot {
 public:
  struct Estimate {
    int64_t step = 0;
    at::Tensor x0;
    const Pipeline* pipeline = nullptr;  // of the stage it comes from
  };
  enum class Offered { kStartRendering, kWaits, kReplacedOlder, kDropped };

  // kStartRendering: nobody is rendering this slot; the caller has someone do it.
  Offered Offer(Estimate estimate) {
    const MutexLock lock(mutex_);
    if (waiting_ && waiting_->step == first_step_) return Offered::kDropped;
    const bool replaced = waiting_.has_value();
    if (first_step_ < 0) first_step_ = estimate.step;
    waiting_ = std::move(estimate);
    if (replaced) return Offered::kReplacedOlder;
    return std::exchange(rendering_, true) ? Offered::kWaits : Offered::kStartRendering;
  }

  // The next to render; empty when there is none, and then the renderer leaves.
  std::optional<Estimate> Take() {
    const MutexLock lock(mutex_);
    std::optional<Estimate> next = std::exchange(waiting_, std::nullopt);
    rendering_ = next.has_value();
    return next;
  }

 private:
  Mutex mutex_;
  std::optional<Estimate> waiting_ MIND_GUARDED_BY(mutex_);
  bool rendering_ MIND_GUARDED_BY(mutex_) = false;
  int64_t first_step_ MIND_GUARDED_BY(mutex_) = -1;
};

// One network's part of a trajectory. A cascade has several, one after the other: each begins with what the
// one before has made, or goes on with its latents in the middle of the same steps. A model that goes over
// its own picture has two.
struct Stage {
  std::shared_ptr<const Pipeline> pipeline;
  int64_t width = 0, height = 0;  // pixels of the picture that the model makes by it
  std::unique_ptr<const Sampler> sampler;
  std::vector<int64_t> shape;      // of the latent
  int64_t begin = 0, end = 0;      // which of the sampler's steps it takes
  int64_t steps_before = 0;        // what is added to those to count the trajectory's
  bool continues_latents = false;  // of the stage before
  bool goes_over = false;          // what the stage before has made, enlarged to its own size
  bool hands_result = false;       // what the next one begins with is no picture
};

struct Trajectory {
  // Constant after Submit.
  uint64_t id = 0;
  TrajectoryRequest request;  // without its checkpoint
  std::shared_ptr<TrajectoryEvents> events;

  // Written while preparing, constant afterwards.
  std::string checkpoint;  // to go on from; empty: there was none, or it has been gone on from
  std::string fingerprint;
  std::vector<Stage> stages;

  // Written while preparing a stage, beside the step thread; constant while the step thread has it.
  size_t stage_number = 0;
  // What the stage before has handed over, on the CPU: its picture, uint8 [H, W, 3], or its result, float in
  // its latent's shape. Undefined in the first and where latents are gone on with.
  at::Tensor stage_source;
  Conditioning conditioning;
  Start start;
  // Of the sampler's steps; where latents are gone on with, of all that the stages take together.
  int64_t first_step = 0;

  const std::string& model_revision() const { return stages.front().pipeline->info().revision; }
  const Stage& stage() const { return stages[stage_number]; }
  const Pipeline& pipeline() const { return *stage().pipeline; }
  const Sampler& sampler() const { return *stage().sampler; }
  // Of all stages.
  int64_t steps() const { return stages.back().steps_before + stages.back().end; }
  int64_t step() const { return stage().steps_before + state.step; }
  bool at_stage_end() const { return state.step >= stage().end; }
  // The evaluation it is parked at, and how many rows that has. REQUIRES: !at_stage_end()
  CallNumber call() const {
    return CallNumber::Of(sampler(), first_step, stage().end, state.step, call_in_step);
  }
  size_t rows() const {
    const bool alike = conditioning.guidance.steps.all() && conditioning.perturbed_steps.all();
    return alike ? conditioning.rows.size() : conditioning.RowCountAt(call());
  }

  // The step thread's, from arrival to the end of a stage.
  SampleState state;
  GuidanceMemory guidance;  // of this stage
  Evaluator evaluator;
  Task running_step;         // the step in progress; empty between steps
  int64_t call_in_step = 0;  // which of its evaluations is asked for, from 0
  uint64_t last_served = 0;  // number of the batch that last held it
  double arrived = -1;       // when it first could take a step, by StepTurns::now(); negative: not yet
  double served = 0;         // when that batch began, or it arrived, likewise
  bool started = false;
  bool resumed = false;  // from a checkpoint
  double at_risk = 0;    // seconds of work since the last checkpoint

  bool aside = false;  // being prepared or finished beside the step thread; guarded by the engine's mutex

  std::atomic<bool> cancelled = false;    // set by Cancel, read by the step thread
  std::atomic<bool> handed_back = false;  // set by HandBack, likewise
  std::atomic<double> checkpoint_cost = CheckpointPace::kUnknownCost;  // of the newest
  PreviewSlot preview;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_H_
