// Gets trajectories their models. Whose model is loaded gets it at once. A model that is not is loaded on a
// thread of its own, one at a time, while its trajectories wait here and all others go on. Where memory has
// no room for a model, its trajectories wait for room; others may pass them, but only so many: then nobody
// does until they have had their turn, so that no stream of requests for other models keeps one out.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_ADMISSION_H_
#define MIND_WORKER_DIFFUSION_ENGINE_ADMISSION_H_

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/engine/thread_pool.h"
#include "worker/diffusion/engine/trajectory.h"

namespace mind::diffusion {

// Thread-safe. Whatever may let somebody go (an arrival, an end, a load, room in memory) is written down and
// has the door's thread look at all who wait, one after the other; nothing else decides.
class Admission {
 public:
  using TrajectoryPtr = std::shared_ptr<Trajectory>;
  // Called on the pool, once for each trajectory: with its model, or with the reason why it has none. Neither
  // if it was told to end while it waited.
  using Admitted =
      std::function<void(const TrajectoryPtr&, std::shared_ptr<const Pipeline>, std::exception_ptr)>;

  // How many pictures may pass one that waits for room: about as many as a worker makes at a time.
  static constexpr int kMostPasses = 16;

  Admission(ModelSource& models, ThreadPool& pool, Admitted admitted, int most_passes = kMostPasses);
  // When no trajectory is left, and before the pool goes. The object must outlive the pool: jobs there call
  // back. Waits for a load that is under way.
  void Close();

  void Enter(TrajectoryPtr trajectory);
  // Some trajectory was told to end (cancelled or handed back): if it waits here, it need not any longer.
  void Recheck();

 private:
  struct Waiting {
    TrajectoryPtr trajectory;
    bool told = false;      // that it waits for its model
    bool kept_out = false;  // there was no room for its model
    int passes = 0;         // admitted while it was
  };
  struct Leaving {
    TrajectoryPtr trajectory;
    std::shared_ptr<const Pipeline> model;
    std::exception_ptr error;
  };

  void Run();  // the door's thread
  // Waits until there is something to look at, and who goes then. Nothing: closed. `waiting` are those found
  // to wait for their model for the first time. `loaded` is what those who go may have been waiting for: it
  // is held until they have it, since to let go of it may make room, which is told to OnIdle.
  std::optional<std::vector<Leaving>> Next(std::vector<TrajectoryPtr>& waiting,
                                           std::shared_ptr<const Pipeline>& loaded);
  // Who goes now. Starts a load where one is due.
  std::vector<Leaving> Look(std::vector<TrajectoryPtr>& newly_waiting) MIND_REQUIRES(mutex_);
  // Whether this one goes, and how.
  bool Goes(Waiting& waiting, const std::vector<Waiting>& before, Leaving& how) MIND_REQUIRES(mutex_);
  void Load(const std::string& model, uint64_t room_events);
  void OnIdle();

  ModelSource& models_;
  ThreadPool& pool_;
  const Admitted admitted_;
  const int most_passes_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Waiting> waiting_ MIND_GUARDED_BY(mutex_);  // in order of arrival
  bool look_ MIND_GUARDED_BY(mutex_) = false;             // something has changed since the door looked last
  bool closing_ MIND_GUARDED_BY(mutex_) = false;
  uint64_t room_events_ MIND_GUARDED_BY(mutex_) = 0;  // how often there has been new room
  // By model: there was none for it after so many of them.
  std::map<std::string, uint64_t> no_room_ MIND_GUARDED_BY(mutex_);
  std::string loading_ MIND_GUARDED_BY(mutex_);  // the model being loaded; empty: none
  // What the last load came to, until the door has looked: the model, so that it is not unloaded before those
  // who wait for it have it, or the error, which is theirs.
  std::shared_ptr<const Pipeline> loaded_ MIND_GUARDED_BY(mutex_);
  std::string failed_ MIND_GUARDED_BY(mutex_);
  std::exception_ptr failure_ MIND_GUARDED_BY(mutex_);

  ThreadPool loader_{1};
  std::thread door_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_ADMISSION_H_
