#include "tests/bench/server/watchers.h"

#include <grpcpp/grpcpp.h>

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "mind/v1/generation.grpc.pb.h"
#include "tests/bench/server/connection.h"

namespace mind::bench {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);

}  // namespace

class Watchers::Watcher : private grpc::ClientReadReactor<v1::WatchJobResponse> {
 public:
  Watcher(Watchers& all, const std::string& server, const std::string& job)
      : all_(all), stub_(v1::GenerationService::NewStub(NewConnection(server))) {
    request_.set_id(job);
    stub_->async()->WatchJob(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  ~Watcher() override { done_.WaitForNotification(); }

  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (first_) all_.OnFirst();
    first_ = false;
    if (response_.event().has_preview()) all_.OnPreview(response_.event().preview().step());
    StartRead(&response_);
  }
  void OnDone(const grpc::Status&) override { done_.Notify(); }

  Watchers& all_;
  const std::unique_ptr<v1::GenerationService::Stub> stub_;
  grpc::ClientContext context_;
  v1::WatchJobRequest request_;
  v1::WatchJobResponse response_;  // gRPC's, between StartRead and OnReadDone
  bool first_ = true;              // the reactions', which come one at a time
  absl::Notification done_;
};

Watchers::Watchers(const std::string& server, const std::string& job, size_t count) {
  for (size_t i = 0; i < count; ++i) watchers_.push_back(std::make_unique<Watcher>(*this, server, job));
  const absl::MutexLock lock(&mutex_);
  AwaitAll(connected_, "heard of the job");
}

Watchers::~Watchers() {
  for (const auto& watcher : watchers_) watcher->Cancel();
  watchers_.clear();
}

void Watchers::ExpectPreview(uint32_t step) {
  const absl::MutexLock lock(&mutex_);
  expected_ = step;
  arrived_ = 0;
}

void Watchers::AwaitPreview() {
  const absl::MutexLock lock(&mutex_);
  AwaitAll(arrived_, "got the preview");
}

void Watchers::AwaitAll(const size_t& count, const std::string& what) {
  const auto all = [this, &count] { return count == watchers_.size(); };
  if (mutex_.AwaitWithTimeout(absl::Condition(&all), kPatience)) return;
  throw std::runtime_error(absl::StrCat(count, " of ", watchers_.size(), " watchers have ", what));
}

void Watchers::OnFirst() {
  const absl::MutexLock lock(&mutex_);
  ++connected_;
}

void Watchers::OnPreview(uint32_t step) {
  const absl::MutexLock lock(&mutex_);
  if (step == expected_) ++arrived_;
}

}  // namespace mind::bench
