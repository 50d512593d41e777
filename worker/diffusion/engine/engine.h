// The engine: makes pictures, many at a time, step by step.
//
// One step thread runs the denoiser: it gathers the evaluations that trajectories are parked at, runs those
// that fit together as one batch, and resumes them; trajectories join and leave between batches. Everything
// else happens beside it: loading models and encoding prompts before, previews and checkpoints during,
// decoding after.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_ENGINE_H_
#define MIND_WORKER_DIFFUSION_ENGINE_ENGINE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "worker/diffusion/engine/admission.h"
#include "worker/diffusion/engine/checkpoint_pace.h"
#include "worker/diffusion/engine/idle_cores.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/engine/row_runner.h"
#include "worker/diffusion/engine/stages.h"
#include "worker/diffusion/engine/step_batch.h"
#include "worker/diffusion/engine/step_clock.h"
#include "worker/diffusion/engine/step_costs.h"
#include "worker/diffusion/engine/thread_pool.h"
#include "worker/diffusion/engine/trajectory.h"
#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/mutex.h"

namespace mind::diffusion {

// What the engine measures of itself. Called from its threads; must not block.
class EngineMeter {
 public:
  virtual ~EngineMeter() = default;
  struct Batch {
    std::string model;
    size_t trajectories = 0;
    size_t rows = 0;
    double forward_seconds = 0;
    double total_seconds = 0;  // from the end of the batch before (or from waking up) to the end of this one
  };
  virtual void OnBatch(const Batch&) {}
  virtual void OnPreviewDropped() {}
  // There was no memory for a batch: what could be freed was, and it was run again, no more than `fits` rows
  // at once.
  virtual void OnOutOfMemory(const std::string& model, size_t rows, size_t fits) {}
  // A checkpoint could not be made, out of memory say; the picture goes on.
  virtual void OnCheckpointFailed(const std::string& reason) {}
};

class Engine {
 public:
  struct Options {
    at::Device device = at::kCPU;
    // CPU: rows run at the same time. More than the cores only adds switching.
    int row_threads = 1;
    // Beside the step thread: preparing and finishing, those of higher priority first. One is enough to keep
    // up; two let a prompt be encoded while a large picture decodes. Models load on a thread of their own.
    int side_threads = 2;
    // Of devices that run a batch as one. On the CPU a batch holds as many rows as run at the same time:
    // more of them would only make whoever comes later, or is cancelled, wait.
    BatchCap::Options batch;
    // Who goes first among pictures of one priority.
    StepTurns::Options turns;
    // Work on a picture that may be lost (CheckpointPace); 0: a checkpoint after every step.
    std::chrono::milliseconds checkpoint_interval{5000};
    // Called once, from any thread, when nothing works on the device any more, with the reason: the engine
    // has what it holds handed back, without states, since those cannot be read, and takes no more. It must
    // not block; whoever runs the process should end it, since only another one gets the device back.
    std::function<void(const std::string& reason)> device_lost;
    // Without one, requests with source pictures are refused: the engine knows no file formats.
    DecodeFile decode;
  };

  // `models` must outlive the engine. `meter` too, if given.
  Engine(ModelSource& models, const Options& options, EngineMeter* meter = nullptr);
  // Cancels what is left (OnCancelled is called) and joins.
  ~Engine();

  // Any thread may call the following.

  // Starts a picture; its events begin at once. The id is the engine's own.
  uint64_t Submit(TrajectoryRequest request, std::shared_ptr<TrajectoryEvents> events);
  // Ends it with OnCancelled before its next step, or not at all if it is decoding by then. Unknown ids are
  // ignored.
  void Cancel(uint64_t id);
  // Ends it with OnHandedBack at the end of the step it is in, unless it is decoding by then. Unknown ids are
  // ignored.
  void HandBack(uint64_t id);
  // Blocks until no trajectory is left.
  void WaitUntilIdle();

  // Accepted and not ended.
  size_t active() const;
  // Seconds one evaluation row of each model takes at its default size, as measured.
  std::map<std::string, double> RowSeconds() const { return costs_.RowSeconds(); }
  // What a gradient of each model's scorer takes, in rows of it (StepCosts).
  std::map<std::string, double> ScorerRows() const { return costs_.ScorerRows(); }
  // For how long there has been a step to take and none has been finished; 0: there is none to take.
  std::chrono::milliseconds LastStepAge() const { return step_clock_.Age(Clock::now()); }
  // Whether that is longer than any step should take (StepClock::Hangs).
  bool StepHangs(std::chrono::milliseconds limit) const { return step_clock_.Hangs(Clock::now(), limit); }

 private:
  using Clock = std::chrono::steady_clock;
  using TrajectoryPtr = std::shared_ptr<Trajectory>;

  // With its model, or with the reason why it has none; with neither if it was told to end before.
  void OnAdmitted(const TrajectoryPtr& trajectory, const std::shared_ptr<const Pipeline>& model,
                  std::exception_ptr error);
  // While a picture is worked at beside the step thread, lower ones leave a processor to it.
  void StepAside(const TrajectoryPtr& trajectory);
  void ComeBack(Trajectory& trajectory) MIND_REQUIRES(mutex_);
  size_t BusyAbove(int64_t priority) const;
  // Hands it to the step thread.
  void Arrive(const TrajectoryPtr& trajectory);
  // After a stage's last step: on to the next stage, or to the picture. Beside the step thread.
  void FinishStage(const TrajectoryPtr& trajectory);
  void RunSteps();
  void RunBatch(const std::vector<TrajectoryPtr>& batch);
  // Until something has changed, or for a moment.
  void WaitAMoment();
  // Starts the next step and runs it to where it parks. False if the trajectory has ended.
  bool Advance(const TrajectoryPtr& trajectory);
  // After a resume: false if the trajectory has ended.
  bool AfterStep(const TrajectoryPtr& trajectory);
  void OfferPreview(const TrajectoryPtr& trajectory);
  void OfferCheckpoint(const TrajectoryPtr& trajectory);
  // On the step thread, between two steps.
  void GiveBack(const TrajectoryPtr& trajectory);
  void End(const TrajectoryPtr& trajectory, const std::function<void(TrajectoryEvents&)>& tell);
  void Fail(const TrajectoryPtr& trajectory, std::exception_ptr error);
  void LoseDevice(const std::exception_ptr& error);

  // Constant after construction.
  const Options options_;
  EngineMeter* const meter_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<uint64_t, TrajectoryPtr> active_ MIND_GUARDED_BY(mutex_);
  std::vector<TrajectoryPtr> arrivals_ MIND_GUARDED_BY(mutex_);  // prepared, for the step thread to take
  // By priority, how many are worked at beside the step thread.
  std::map<int64_t, size_t> aside_ MIND_GUARDED_BY(mutex_);
  bool stirred_ MIND_GUARDED_BY(mutex_) = false;  // something changed since the step thread last looked
  uint64_t next_id_ MIND_GUARDED_BY(mutex_) = 1;
  bool stopping_ MIND_GUARDED_BY(mutex_) = false;

  IdleCores idle_cores_;  // of the CPU; on other devices nobody asks for them

  // The step thread's own, but for what costs_ says to any thread.
  RowRunner runner_;
  std::vector<TrajectoryPtr> running_;
  StepCosts costs_;
  StepBatches batches_;
  uint64_t batch_number_ = 0;
  Clock::time_point last_batch_end_;

  StepClock step_clock_;
  std::atomic<bool> device_lost_ = false;
  const CheckpointPace checkpoint_pace_;

  std::unique_ptr<ThreadPool> side_;      // prepares, decodes, serialises checkpoints
  std::unique_ptr<ThreadPool> previews_;  // apart, so that a long decode does not make previews late
  std::unique_ptr<Admission> admission_;
  std::thread step_thread_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_ENGINE_H_
