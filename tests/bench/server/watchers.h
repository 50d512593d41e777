// Many who watch one job.
#ifndef MIND_TESTS_BENCH_SERVER_WATCHERS_H_
#define MIND_TESTS_BENCH_SERVER_WATCHERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mind::bench {

// Each on a connection of its own, through WatchJob. Belongs to one thread.
class Watchers {
 public:
  // Returns when each has heard of the job. Throws std::runtime_error if one has not after a minute.
  Watchers(const std::string& server, const std::string& job, size_t count);
  ~Watchers();

  // Waits until each has got the preview of that step. Throws std::runtime_error if one has not after a
  // minute. REQUIRES: none has got it before ExpectPreview(step)
  void ExpectPreview(uint32_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  void AwaitPreview() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Watcher;

  void OnFirst() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnPreview(uint32_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  void AwaitAll(const size_t& count, const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  size_t connected_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t expected_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t arrived_ ABSL_GUARDED_BY(mutex_) = 0;  // of the expected
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_WATCHERS_H_
