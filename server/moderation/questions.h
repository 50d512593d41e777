// Questions to a service that may be slow, hang or be away: a few are under way, the others wait in line.
#ifndef MIND_SERVER_MODERATION_QUESTIONS_H_
#define MIND_SERVER_MODERATION_QUESTIONS_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/support/trace_context.h"

namespace mind::server {

// Thread-safe. As none may take longer than the others, and they are begun in turn, each that waits has its
// turn by the time it must be answered.
class Questions {
 public:
  struct Options {
    size_t at_once = 1;
    absl::Duration timeout;  // of each, from Ask on
    // Where the service is away: waits for it, and asks again if it goes; if not, that is the answer.
    bool persistent = false;
  };
  // Begins one try, as an async method of a stub does. Its end is told once, on any thread.
  using Try = std::function<void(grpc::ClientContext* context, std::function<void(grpc::Status)> ended)>;
  using Done = std::function<void(const grpc::Status& status)>;

  explicit Questions(Options options) : options_(options) {}
  // Cuts off what is under way, and waits until all has been answered.
  ~Questions();

  void Ask(const TraceHeaders& trace, Try one, Done done) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Question {
    TraceHeaders trace;
    Try one;
    Done done;
    absl::Time give_up;
    int tries = 0;
    // Of the try that is under way. It keeps the channel, which none of gRPC's own threads may be the last to
    // hold.
    std::unique_ptr<grpc::ClientContext> context;
    bool beginning = false;             // `one` has not returned
    std::optional<grpc::Status> ended;  // the try has
  };
  using QuestionPtr = std::shared_ptr<Question>;

  void Begin(const QuestionPtr& question) ABSL_LOCKS_EXCLUDED(mutex_);
  // When the try has ended, and has been begun wholly.
  void Finish(const QuestionPtr& question) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return begun_.empty() && waiting_.empty(); }

  const Options options_;
  absl::Mutex mutex_;
  std::deque<QuestionPtr> waiting_ ABSL_GUARDED_BY(mutex_);
  std::set<QuestionPtr> begun_ ABSL_GUARDED_BY(mutex_);  // until they have been answered
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_MODERATION_QUESTIONS_H_
