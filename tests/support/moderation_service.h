// A moderation service that does what a test says.
#ifndef MIND_TESTS_SUPPORT_MODERATION_SERVICE_H_
#define MIND_TESTS_SUPPORT_MODERATION_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "mind/v1/moderation.grpc.pb.h"

namespace mind::support {

// Thread-safe, but for Start and Stop.
class ModerationService : private v1::ModerationService::Service {
 public:
  enum class Behaviour {
    kAllows,
    kRefuses,
    kRefusesPictures,
    kRefusesTheBad,  // prompts with "bad" in them
    kHangs,          // until it behaves otherwise, or the call is over
    kFails,
    kSaysNothing,
  };

  ModerationService() { Start(); }
  ~ModerationService() override { Stop(); }

  // On the port that it had, if it had one.
  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(), &port_);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  // Cuts off who is being answered.
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  void Be(Behaviour behaviour) {
    const absl::MutexLock lock(&mutex_);
    behaviour_ = behaviour;
  }
  // Until so many have been asked.
  void AwaitQuestions(int count) const {
    const absl::MutexLock lock(&mutex_);
    const auto asked = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return asked_ >= count; };
    mutex_.Await(absl::Condition(&asked));
  }
  int asked() const {
    const absl::MutexLock lock(&mutex_);
    return asked_;
  }
  int most_at_once() const {
    const absl::MutexLock lock(&mutex_);
    return most_at_once_;
  }
  // Of the last question about a picture.
  std::string traceparent() const {
    const absl::MutexLock lock(&mutex_);
    return traceparent_;
  }
  std::string tracestate() const {
    const absl::MutexLock lock(&mutex_);
    return tracestate_;
  }
  v1::CheckImageRequest last_image() const {
    const absl::MutexLock lock(&mutex_);
    return last_image_;
  }

 private:
  grpc::Status CheckPrompt(grpc::ServerContext* context, const v1::CheckPromptRequest* request,
                           v1::CheckPromptResponse* response) override {
    const absl::MutexLock lock(&mutex_);
    return Answer(*context, false, absl::StrContains(request->spec().prompt(), "bad"), *response);
  }
  grpc::Status CheckImage(grpc::ServerContext* context, const v1::CheckImageRequest* request,
                          v1::CheckImageResponse* response) override {
    const absl::MutexLock lock(&mutex_);
    last_image_ = *request;
    for (const auto& [name, value] :
         {std::pair("traceparent", &traceparent_), {"tracestate", &tracestate_}}) {
      const auto found = context->client_metadata().find(name);
      if (found != context->client_metadata().end()) {
        *value = std::string(found->second.data(), found->second.size());
      }
    }
    return Answer(*context, true, false, *response);
  }

  template <typename Response>
  grpc::Status Answer(grpc::ServerContext& context, bool picture, bool bad, Response& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++asked_;
    most_at_once_ = std::max(most_at_once_, ++at_once_);
    while (behaviour_ == Behaviour::kHangs && !context.IsCancelled()) {
      const auto moves = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return behaviour_ != Behaviour::kHangs;
      };
      mutex_.AwaitWithTimeout(absl::Condition(&moves), absl::Milliseconds(10));
    }
    --at_once_;
    if (behaviour_ == Behaviour::kFails) return {grpc::StatusCode::INTERNAL, "broken"};
    if (behaviour_ == Behaviour::kSaysNothing) return grpc::Status::OK;
    const bool refused = behaviour_ == Behaviour::kRefuses ||
                         (behaviour_ == Behaviour::kRefusesPictures && picture) ||
                         (behaviour_ == Behaviour::kRefusesTheBad && bad);
    response.mutable_verdict()->set_decision(refused ? v1::DECISION_REFUSED : v1::DECISION_ALLOWED);
    if (refused) response.mutable_verdict()->set_category("violence/graphic\n");
    return grpc::Status::OK;
  }

  int port_ = 0;
  mutable absl::Mutex mutex_;
  Behaviour behaviour_ ABSL_GUARDED_BY(mutex_) = Behaviour::kAllows;
  int asked_ ABSL_GUARDED_BY(mutex_) = 0;
  int at_once_ ABSL_GUARDED_BY(mutex_) = 0;
  int most_at_once_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string traceparent_ ABSL_GUARDED_BY(mutex_);
  std::string tracestate_ ABSL_GUARDED_BY(mutex_);
  v1::CheckImageRequest last_image_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_MODERATION_SERVICE_H_
