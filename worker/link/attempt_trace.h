// The course of one picture on this worker, as spans of the trace that its job is part of.
//
//   attempt ─┬─ load      its model is brought into memory, or waits for room there
//            ├─ encode    prompt and source pictures
//            ├─ denoise   with an event at each preview and checkpoint
//            ├─ upscale   from one stage of a cascade to the next
//            └─ decode    of the last step, and the picture's encoding
//
// They are told of when the attempt is over: so none is in the trace whose parent is not.
#ifndef MIND_WORKER_LINK_ATTEMPT_TRACE_H_
#define MIND_WORKER_LINK_ATTEMPT_TRACE_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "mind/v1/worker.pb.h"
#include "proto/support/span.h"
#include "worker/diffusion/engine/trajectory_request.h"

namespace mind {

// Thread-safe.
class AttemptTrace {
 public:
  struct Options {
    SpanSink* sink = nullptr;  // null: nothing is recorded
    std::string traceparent;   // as assigned
    std::string tracestate = {};
    std::string worker;
    std::function<absl::Time()> clock = [] { return absl::Now(); };
  };
  AttemptTrace(Options options, const v1::ImageRef& image);

  void OnSideWork(diffusion::SideWork work) { Enter(NameOf(work)); }
  void OnStarted(int64_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  // A step was taken: also the first of a cascade's next stage.
  void OnStep() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnEvent(const std::string& name, int64_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  // `outcome`: "finished", "handed back" …; `error`, if not empty: why it failed.
  void OnEnd(const std::string& outcome, const std::string& error = "") ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static const char* NameOf(diffusion::SideWork work);
  void Enter(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);
  void EnterLocked(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  absl::Mutex mutex_;
  std::optional<Span> attempt_ ABSL_GUARDED_BY(mutex_);  // nothing if it is not recorded, or is over
  std::optional<Span> part_ ABSL_GUARDED_BY(mutex_);     // what it is at
  std::vector<Span> parts_ ABSL_GUARDED_BY(mutex_);      // that are over
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_ATTEMPT_TRACE_H_
