// Locks that only lock.
#ifndef MIND_PROTO_SUPPORT_PLAIN_LOCKS_H_
#define MIND_PROTO_SUPPORT_PLAIN_LOCKS_H_

#include "absl/synchronization/mutex.h"

namespace mind {

// Debian builds Abseil, whose locks gRPC's are too, as for debugging: each lock is noted in one graph of all,
// under a lock of its own, to find where two may wait for each other. Tests go on looking; programs at work
// do without. To be called before there are threads.
inline void LockPlainly() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_PLAIN_LOCKS_H_
