// How long the link pauses between two streams.
#ifndef MIND_WORKER_LINK_BACKOFF_H_
#define MIND_WORKER_LINK_BACKOFF_H_

#include <algorithm>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace mind {

// Pauses double from one stream to the next. Only a stream that has stood for a while begins anew: one that
// is accepted and closed at once is no better than one that is refused.
class Backoff {
 public:
  struct Options {
    absl::Duration first = absl::Milliseconds(100);
    absl::Duration longest = absl::Seconds(5);
    // Where another worker of the same name is connected: only a person can mend that.
    absl::Duration longest_of_a_taken_name = absl::Minutes(1);
  };

  explicit Backoff(const Options& options) : options_(options), next_(options.first) {}

  // After a stream that stood for so long and ended so.
  absl::Duration Next(absl::Duration stood, absl::StatusCode code) {
    if (code == absl::StatusCode::kAlreadyExists) {
      const absl::Duration pause = std::max(next_, options_.longest);
      next_ = std::min(pause * 2, options_.longest_of_a_taken_name);
      return pause;
    }
    if (stood >= options_.longest) next_ = options_.first;
    const absl::Duration pause = std::min(next_, options_.longest);
    next_ = std::min(pause * 2, options_.longest);
    return pause;
  }

 private:
  const Options options_;
  absl::Duration next_;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_BACKOFF_H_
