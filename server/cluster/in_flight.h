// How much is under way on threads of others that will still come back to its owner.
#ifndef MIND_SERVER_CLUSTER_IN_FLIGHT_H_
#define MIND_SERVER_CLUSTER_IN_FLIGHT_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace mind::server {

// Thread-safe. Destroyed when nothing is under way any more: it waits for that.
class InFlight {
 public:
  ~InFlight() { Wait(); }

  // Until nothing is under way.
  void Wait() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &InFlight::Landed));
  }

  // Something is under way while this lives.
  std::shared_ptr<void> Begin() {
    const absl::MutexLock lock(&mutex_);
    ++count_;
    return {this, [](InFlight* owner) {
              const absl::MutexLock landing(&owner->mutex_);
              --owner->count_;
            }};
  }

 private:
  bool Landed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return count_ == 0; }

  absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_IN_FLIGHT_H_
