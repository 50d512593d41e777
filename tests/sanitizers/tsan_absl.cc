// Debian's Abseil is built without ThreadSanitizer, which therefore does not see that its Mutex and
// Notification order anything. The linker's --wrap sends our calls through here, where the order is told.
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {

void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);

#define REAL(name) __real_##name
#define WRAP(name) __wrap_##name

#define LOCK _ZN4absl7debian35Mutex4LockEv
#define UNLOCK _ZN4absl7debian35Mutex6UnlockEv
#define LOCK_WHEN _ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE
#define AWAIT _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE
#define AWAIT_TIMEOUT _ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE
#define AWAIT_DEADLINE _ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE
#define NOTIFY _ZN4absl7debian312Notification6NotifyEv
#define WAIT _ZNK4absl7debian312Notification19WaitForNotificationEv
#define EXPAND(macro, name) macro(name)

void EXPAND(REAL, LOCK)(absl::Mutex* mutex);
void EXPAND(REAL, UNLOCK)(absl::Mutex* mutex);
void EXPAND(REAL, LOCK_WHEN)(absl::Mutex* mutex, const absl::Condition& condition);
void EXPAND(REAL, AWAIT)(absl::Mutex* mutex, const absl::Condition& condition);
bool EXPAND(REAL, AWAIT_TIMEOUT)(absl::Mutex* mutex, const absl::Condition& condition,
                                 absl::Duration timeout);
bool EXPAND(REAL, AWAIT_DEADLINE)(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline);
void EXPAND(REAL, NOTIFY)(absl::Notification* notification);
void EXPAND(REAL, WAIT)(const absl::Notification* notification);

void EXPAND(WRAP, LOCK)(absl::Mutex* mutex) {
  EXPAND(REAL, LOCK)(mutex);
  __tsan_acquire(mutex);
}

// Whoever unlocks evaluates the conditions of those who wait, still under the lock but after the release is
// told.
void EXPAND(WRAP, UNLOCK)(absl::Mutex* mutex) {
  __tsan_release(mutex);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  EXPAND(REAL, UNLOCK)(mutex);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

void EXPAND(WRAP, LOCK_WHEN)(absl::Mutex* mutex, const absl::Condition& condition) {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  EXPAND(REAL, LOCK_WHEN)(mutex, condition);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  __tsan_acquire(mutex);
}

void EXPAND(WRAP, AWAIT)(absl::Mutex* mutex, const absl::Condition& condition) {
  __tsan_release(mutex);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  EXPAND(REAL, AWAIT)(mutex, condition);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  __tsan_acquire(mutex);
}

bool EXPAND(WRAP, AWAIT_TIMEOUT)(absl::Mutex* mutex, const absl::Condition& condition,
                                 absl::Duration timeout) {
  __tsan_release(mutex);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  const bool held = EXPAND(REAL, AWAIT_TIMEOUT)(mutex, condition, timeout);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  __tsan_acquire(mutex);
  return held;
}

bool EXPAND(WRAP, AWAIT_DEADLINE)(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  __tsan_release(mutex);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  const bool held = EXPAND(REAL, AWAIT_DEADLINE)(mutex, condition, deadline);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  __tsan_acquire(mutex);
  return held;
}

void EXPAND(WRAP, NOTIFY)(absl::Notification* notification) {
  __tsan_release(notification);
  EXPAND(REAL, NOTIFY)(notification);
}

void EXPAND(WRAP, WAIT)(const absl::Notification* notification) {
  EXPAND(REAL, WAIT)(notification);
  __tsan_acquire(const_cast<absl::Notification*>(notification));
}

}  // extern "C"
