#include "tests/bench/server/bare_server.h"

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "mind/v1/generation.grpc.pb.h"
#include "mind/v1/worker.grpc.pb.h"

namespace mind::bench {
namespace {

using EventPtr = std::shared_ptr<const v1::WatchJobResponse>;

// One who watches: first hears that the job waits, then of the newest preview.
class Watch : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  // `leave` is called before it ends: nothing may be sent from then on.
  explicit Watch(std::function<void(Watch*)> leave) : leave_(std::move(leave)) {}

  void Send(EventPtr event) ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    next_ = std::move(event);
    Go();
  }
  void OnWriteDone(bool) override {
    const absl::MutexLock lock(&mutex_);
    current_ = nullptr;
    Go();
  }
  void OnCancel() override {
    leave_(this);
    const absl::MutexLock lock(&mutex_);
    leaving_ = true;
    Go();
  }
  void OnDone() override { delete this; }

 private:
  // One write at a time; the end is one too.
  void Go() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (current_ != nullptr) return;
    if (leaving_) return Finish(grpc::Status::CANCELLED);
    if (next_ == nullptr) return;
    current_ = std::exchange(next_, nullptr);
    StartWrite(current_.get());
  }

  const std::function<void(Watch*)> leave_;
  absl::Mutex mutex_;
  EventPtr current_ ABSL_GUARDED_BY(mutex_);  // gRPC reads it
  EventPtr next_ ABSL_GUARDED_BY(mutex_);
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;
};

class Generation : public v1::GenerationService::CallbackService {
 public:
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(grpc::CallbackServerContext*,
                                                           const v1::WatchJobRequest*) override {
    auto* const watch = new Watch([this](Watch* leaving) {
      const absl::MutexLock lock(&mutex_);
      watches_.erase(leaving);
    });
    auto event = std::make_shared<v1::WatchJobResponse>();
    event->mutable_event()->set_job_id(kBareJob);
    event->mutable_event()->mutable_queued();
    watch->Send(std::move(event));
    const absl::MutexLock lock(&mutex_);
    watches_.insert(watch);
    return watch;
  }

  void Tell(v1::Preview preview) ABSL_LOCKS_EXCLUDED(mutex_) {
    auto event = std::make_shared<v1::WatchJobResponse>();
    event->mutable_event()->set_job_id(kBareJob);
    const absl::MutexLock lock(&mutex_);
    event->mutable_event()->set_sequence(++sequence_);
    *event->mutable_event()->mutable_preview() = std::move(preview);
    for (Watch* const watch : watches_) watch->Send(event);
  }

 private:
  absl::Mutex mutex_;
  std::set<Watch*> watches_ ABSL_GUARDED_BY(mutex_);
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The worker's stream: previews go on, results are answered, nothing is assigned.
class WorkerCall : public grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse> {
 public:
  explicit WorkerCall(Generation& generation) : generation_(generation) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    const absl::MutexLock lock(&mutex_);
    if (!ok) {
      over_ = true;
      return Go();
    }
    v1::ConnectResponse response;
    if (request_.has_register_()) response.mutable_registered()->set_lease_ms(3'600'000);
    if (request_.has_image_result())
      *response.mutable_taken()->mutable_image() = request_.image_result().image();
    if (response.message_case() != v1::ConnectResponse::MESSAGE_NOT_SET) {
      outgoing_.push_back(std::move(response));
      Go();
    }
    if (request_.has_image_preview())
      generation_.Tell(std::move(*request_.mutable_image_preview()->mutable_preview()));
    StartRead(&request_);
  }
  void OnWriteDone(bool) override {
    const absl::MutexLock lock(&mutex_);
    outgoing_.pop_front();
    writing_ = false;
    Go();
  }
  void OnDone() override { delete this; }

 private:
  void Go() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_) return;
    if (over_) return Finish(grpc::Status::OK);
    if (outgoing_.empty()) return;
    writing_ = true;
    StartWrite(&outgoing_.front());
  }

  Generation& generation_;
  v1::ConnectRequest request_;  // gRPC's, between StartRead and OnReadDone
  absl::Mutex mutex_;
  std::deque<v1::ConnectResponse> outgoing_ ABSL_GUARDED_BY(mutex_);  // gRPC reads the front while writing_
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

class Workers : public v1::WorkerService::CallbackService {
 public:
  explicit Workers(Generation& generation) : generation_(generation) {}
  grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* Connect(
      grpc::CallbackServerContext*) override {
    return new WorkerCall(generation_);
  }

 private:
  Generation& generation_;
};

}  // namespace

void RunBareServer() {
  Generation generation;
  Workers workers(generation);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&generation);
  builder.RegisterService(&workers);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) std::_Exit(1);
  std::printf("bare server listening on port %d\n", port);
  std::fflush(stdout);
  server->Wait();
  std::_Exit(0);
}

}  // namespace mind::bench
