// Gets trajectories their models; where memory has no room for one, it waits, and whoever comes after it
// waits behind it, so that no stream of requests for other models keeps it out.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_ADMISSION_H_
#define MIND_WORKER_DIFFUSION_ENGINE_ADMISSION_H_

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/engine/thread_pool.h"
#include "worker/diffusion/engine/trajectory.h"

namespace mind::diffusion {

// Thread-safe.
class Admission {
 public:
  using TrajectoryPtr = std::shared_ptr<Trajectory>;
  // Called on the pool, once for each trajectory: with its model, or with the reason why it has none. Neither
  // if it was told to end while it waited.
  using Admitted =
      std::function<void(const TrajectoryPtr&, std::shared_ptr<const Pipeline>, std::exception_ptr)>;

  Admission(ModelSource& models, ThreadPool& pool, Admitted admitted);
  // Before the pool goes, when no trajectory is left. It must go after the pool: jobs there may look at it.
  void Close();

  void Enter(TrajectoryPtr trajectory);
  // Some trajectory was told to end (cancelled or handed back): if it waits here, it need not any longer.
  void Recheck();

 private:
  void Admit(const TrajectoryPtr& trajectory);
  // False if there is no room.
  bool Try(const TrajectoryPtr& trajectory);
  void OnIdle();
  void Retry();
  // REQUIRES: mutex_ held.
  void StartRetry();

  ModelSource& models_;
  ThreadPool& pool_;
  const Admitted admitted_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::deque<TrajectoryPtr> waiting_;
  bool retrying_ = false;     // the first of those waiting is out of the queue, being tried
  uint64_t idle_events_ = 0;  // so that one between a try and its end is not missed
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_ADMISSION_H_
