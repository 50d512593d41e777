// A server for workers that a test directs: gRPC on a free loopback port, in this process.
#ifndef MIND_TESTS_UNIT_WORKER_FAKE_SERVER_H_
#define MIND_TESTS_UNIT_WORKER_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mind/v1/worker.grpc.pb.h"
#include "proto/support/message_size.h"
#include "tests/unit/worker/reports.h"

namespace mind {

// Accepts every registration, unless told otherwise, and remembers what streams say.
class FakeServer : public v1::WorkerService::Service {
 public:
  FakeServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() override {
    SetReading(true);
    server_->Shutdown(std::chrono::system_clock::now());
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // From now on streams end so, instead of being accepted.
  void Refuse(const grpc::Status& status) {
    const absl::MutexLock lock(&mutex_);
    refusal_ = status;
  }
  // From now on workers hear that it understands progress of several pictures in one message.
  void UnderstandImagesProgress() {
    const absl::MutexLock lock(&mutex_);
    images_progress_ = true;
  }
  // From now on workers hear that it understands offers of other models.
  void UnderstandOffers() {
    const absl::MutexLock lock(&mutex_);
    offers_ = true;
  }
  // Whether what workers send is read at all.
  void SetReading(bool reading) {
    const absl::MutexLock lock(&mutex_);
    reading_ = reading;
  }
  void Send(const v1::ConnectResponse& response) {
    const absl::MutexLock lock(&mutex_);
    ASSERT_NE(stream_, nullptr);
    stream_->Write(response);
  }
  void Break() {
    const absl::MutexLock lock(&mutex_);
    ASSERT_NE(context_, nullptr);
    context_->TryCancel();
    stream_ = nullptr;
    context_ = nullptr;
  }

  // Waits until that holds of what stream number `stream` (from 0) has said, one line a message without
  // heartbeats; gives the lines.
  std::vector<std::string> AwaitLines(size_t stream,
                                      std::function<bool(const std::vector<std::string>&)> holds) {
    const absl::MutexLock lock(&mutex_);
    const auto told = [&] {
      mutex_.AssertHeld();
      return stream < heard_.size() && holds(LinesOf(stream));
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&told), absl::Minutes(1)))
        << "of stream " << stream << " of " << heard_.size();
    return stream < heard_.size() ? LinesOf(stream) : std::vector<std::string>();
  }
  // Until stream number `stream` has said this.
  std::vector<std::string> AwaitLine(size_t stream, const std::string& line) {
    return AwaitLines(stream, [&](const std::vector<std::string>& lines) {
      return std::find(lines.begin(), lines.end(), line) != lines.end();
    });
  }
  // Whether stream number `stream` has said something of that kind.
  bool HasHeard(size_t stream, v1::ConnectRequest::MessageCase kind) {
    const absl::MutexLock lock(&mutex_);
    return stream < heard_.size() &&
           std::any_of(heard_[stream].begin(), heard_[stream].end(),
                       [kind](const v1::ConnectRequest& message) { return message.message_case() == kind; });
  }
  // The last message of that kind, once there is one.
  v1::ConnectRequest AwaitMessage(size_t stream, v1::ConnectRequest::MessageCase kind) {
    const absl::MutexLock lock(&mutex_);
    v1::ConnectRequest found;
    const auto told = [&] {
      mutex_.AssertHeld();
      if (stream >= heard_.size()) return false;
      for (const v1::ConnectRequest& message : heard_[stream]) {
        if (message.message_case() == kind) found = message;
      }
      return found.message_case() == kind;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&told), absl::Minutes(1)));
    return found;
  }

  grpc::Status Connect(grpc::ServerContext* context,
                       grpc::ServerReaderWriter<v1::ConnectResponse, v1::ConnectRequest>* stream) override {
    size_t number = 0;
    {
      const absl::MutexLock lock(&mutex_);
      number = heard_.size();
      heard_.emplace_back();
      if (!refusal_.ok()) return refusal_;
      stream_ = stream;
      context_ = context;
    }
    v1::ConnectRequest request;
    for (;;) {
      {
        const absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(&reading_));
      }
      if (!stream->Read(&request)) break;
      const absl::MutexLock lock(&mutex_);
      heard_[number].push_back(request);
      if (request.has_register_()) {
        v1::ConnectResponse response;
        response.mutable_registered()->set_lease_ms(1000);
        response.mutable_registered()->set_images_progress(images_progress_);
        response.mutable_registered()->set_models_offered(offers_);
        stream->Write(response);
      }
    }
    const absl::MutexLock lock(&mutex_);
    if (context_ == context) {
      stream_ = nullptr;
      context_ = nullptr;
    }
    return grpc::Status::OK;
  }

 private:
  std::vector<std::string> LinesOf(size_t stream) const {
    std::vector<std::string> lines;
    for (const v1::ConnectRequest& message : heard_[stream]) {
      if (!message.has_capacity()) lines.push_back(LineOf(message));
    }
    return lines;
  }

  int port_ = 0;
  absl::Mutex mutex_;
  grpc::Status refusal_;
  bool reading_ = true;
  bool images_progress_ = false, offers_ = false;
  grpc::ServerReaderWriter<v1::ConnectResponse, v1::ConnectRequest>* stream_ = nullptr;
  grpc::ServerContext* context_ = nullptr;
  std::vector<std::vector<v1::ConnectRequest>> heard_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace mind

#endif  // MIND_TESTS_UNIT_WORKER_FAKE_SERVER_H_
