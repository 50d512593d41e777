// Writes lines to a file descriptor without making anybody wait for it.
#ifndef MIND_PROTO_SUPPORT_LINE_WRITER_H_
#define MIND_PROTO_SUPPORT_LINE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mind {

// Thread-safe. Holds a bounded number of bytes while the other end does not read; lines beyond that are
// dropped.
class LineWriter {
 public:
  struct Options {
    int fd = 2;
    size_t max_bytes = 1 << 20;
    // The line that says how many were dropped, written when there is room again.
    std::function<std::string(uint64_t dropped)> dropped_line;  // REQUIRES: set
  };

  explicit LineWriter(Options options);
  // Tries for a second to write what is left; leaves the thread behind if the other end still does not read.
  ~LineWriter();

  // `line` ends with a newline.
  void Write(std::string line);
  // False: the time was over first.
  bool Flush(absl::Duration limit);

 private:
  struct State {
    explicit State(Options given) : options(std::move(given)) {}
    const Options options;
    absl::Mutex mutex;
    std::deque<std::string> lines ABSL_GUARDED_BY(mutex);
    size_t bytes ABSL_GUARDED_BY(mutex) = 0;
    uint64_t dropped ABSL_GUARDED_BY(mutex) = 0;
    bool writing ABSL_GUARDED_BY(mutex) = false;
    bool closing ABSL_GUARDED_BY(mutex) = false;
  };
  static void Main(State& state);

  // Shared with the thread, which may outlive this.
  const std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_LINE_WRITER_H_
