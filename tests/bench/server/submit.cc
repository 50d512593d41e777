#include "tests/bench/server/submit.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "mind/v1/generation.grpc.pb.h"
#include "tests/bench/server/connection.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/stopwatch.h"

namespace mind::bench {
namespace {

// So many calls are under way; each that ends begins another.
class Submitter {
 public:
  explicit Submitter(const Submission& submission)
      : submission_(submission), stub_(v1::GenerationService::NewStub(NewConnection(submission.server))) {}

  Submitted Run() {
    for (int i = 0; i < submission_.at_once; ++i) Next();
    const absl::MutexLock lock(&mutex_);
    const auto over = [this] {
      mutex_.AssertHeld();
      return open_ == 0;
    };
    mutex_.Await(absl::Condition(&over));
    if (!error_.ok()) throw std::runtime_error("CreateJob: " + error_.error_message());
    done_.seconds = all_.Seconds();
    return done_;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::CreateJobRequest request;
    v1::CreateJobResponse response;
    Stopwatch time;
  };

  void Next() ABSL_LOCKS_EXCLUDED(mutex_) {
    const auto call = std::make_shared<Call>();
    {
      const absl::MutexLock lock(&mutex_);
      if (begun_ == submission_.jobs || !error_.ok() || all_.Elapsed() > submission_.limit) return;
      const int model = static_cast<int>(begun_ % static_cast<size_t>(submission_.models));
      *call->request.mutable_job() = NullJob(model, submission_.steps);
      ++begun_;
      ++open_;
    }
    stub_->async()->CreateJob(&call->context, &call->request, &call->response,
                              [this, call](const grpc::Status& status) {
                                Note(*call, status);
                                Next();
                                const absl::MutexLock lock(&mutex_);
                                --open_;  // last: Run may return
                              });
  }

  void Note(const Call& call, const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    if (!status.ok()) {
      error_ = status;
      return;
    }
    ++done_.jobs;
    done_.each_seconds.push_back(call.time.Seconds());
  }

  const Submission submission_;
  const std::unique_ptr<v1::GenerationService::Stub> stub_;
  const Stopwatch all_;
  absl::Mutex mutex_;
  size_t begun_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status error_ ABSL_GUARDED_BY(mutex_);
  Submitted done_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

v1::JobRequest NullJob(int model, uint32_t steps) {
  v1::JobRequest request;
  request.mutable_spec()->set_model(NullModel(model));
  request.mutable_spec()->set_prompt("a blue rocket over a quiet sea");
  request.mutable_spec()->set_steps(steps);
  return request;
}

Submitted Submit(const Submission& submission) {
  return Submitter(submission).Run();
}

}  // namespace mind::bench
