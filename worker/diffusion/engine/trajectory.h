// One picture being made, as the engine holds it.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_H_
#define MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// The newest estimate waiting to become a preview. A newer one replaces it (a late preview is dropped, never
// queued), but not the first, so that every request shows something early. Thread-safe.
class PreviewSlot {
 public:
  struct Estimate {
    int64_t step = 0;
    at::Tensor x0;
  };
  enum class Offered { kStartRendering, kWaits, kReplacedOlder, kDropped };

  // kStartRendering: nobody is rendering this slot; the caller has someone do it.
  Offered Offer(Estimate estimate) {
    const std::lock_guard lock(mutex_);
    if (waiting_ && waiting_->step == first_step_) return Offered::kDropped;
    const bool replaced = waiting_.has_value();
    if (first_step_ < 0) first_step_ = estimate.step;
    waiting_ = std::move(estimate);
    if (replaced) return Offered::kReplacedOlder;
    return std::exchange(rendering_, true) ? Offered::kWaits : Offered::kStartRendering;
  }

  // The next to render; empty when there is none, and then the renderer leaves.
  std::optional<Estimate> Take() {
    const std::lock_guard lock(mutex_);
    std::optional<Estimate> next = std::exchange(waiting_, std::nullopt);
    rendering_ = next.has_value();
    return next;
  }

 private:
  std::mutex mutex_;
  std::optional<Estimate> waiting_;  // guarded by mutex_
  bool rendering_ = false;           // guarded by mutex_
  int64_t first_step_ = -1;          // guarded by mutex_
};

struct Trajectory {
  // Constant after Submit.
  uint64_t id = 0;
  TrajectoryRequest request;
  std::shared_ptr<TrajectoryEvents> events;

  // Written while preparing, constant afterwards.
  std::shared_ptr<const Pipeline> pipeline;
  std::unique_ptr<const Sampler> sampler;
  Conditioning conditioning;
  std::vector<int64_t> shape;  // of the latent
  Start start;

  // The step thread's, from arrival to the end.
  SampleState state;
  Evaluator evaluator;
  Task step;                 // the step in progress; empty between steps
  uint64_t last_served = 0;  // number of the batch that last held it
  bool started = false;
  bool resumed = false;  // from a checkpoint
  std::chrono::steady_clock::time_point last_checkpoint{};

  std::atomic<bool> cancelled = false;    // set by Cancel, read by the step thread
  std::atomic<bool> handed_back = false;  // set by HandBack, likewise
  PreviewSlot preview;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_H_
