// A mutex whose discipline Clang checks (-Wthread-safety): what it guards is declared beside it, what must
// hold it too. The standard library's, with the words for it; to other compilers they mean nothing.
//   https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#ifndef MIND_WORKER_DIFFUSION_MUTEX_H_
#define MIND_WORKER_DIFFUSION_MUTEX_H_

#include <mutex>

#if defined(__clang__)
#define MIND_THREAD_ANNOTATION(word) __attribute__((word))
#else
#define MIND_THREAD_ANNOTATION(word)
#endif

#define MIND_GUARDED_BY(mutex) MIND_THREAD_ANNOTATION(guarded_by(mutex))
#define MIND_REQUIRES(mutex) MIND_THREAD_ANNOTATION(exclusive_locks_required(mutex))
#define MIND_EXCLUDES(mutex) MIND_THREAD_ANNOTATION(locks_excluded(mutex))

namespace mind {

// std::condition_variable_any waits with it: in a loop, since what a predicate reads would not be checked.
class MIND_THREAD_ANNOTATION(lockable) Mutex {
 public:
  void lock() MIND_THREAD_ANNOTATION(exclusive_lock_function()) { mutex_.lock(); }
  void unlock() MIND_THREAD_ANNOTATION(unlock_function()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds it for a scope.
class MIND_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MIND_THREAD_ANNOTATION(exclusive_lock_function(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() MIND_THREAD_ANNOTATION(unlock_function()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace mind

#endif  // MIND_WORKER_DIFFUSION_MUTEX_H_
