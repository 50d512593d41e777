// Workers' streams over a real gRPC server in this process.
#include "server/api/worker_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/api/inbox.h"
#include "server/dispatch/loop.h"
#include "tests/support/everybody.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class WorkerApiTest : public ::testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>;

  WorkerApiTest() {
    loop_.Start([this] { service_.OnTick(); });
    grpc::ServerBuilder builder;
    builder.RegisterService(&api_);
    server_ = builder.BuildAndStart();
    stub_ = v1::WorkerService::NewStub(server_->InProcessChannel({}));
  }
  ~WorkerApiTest() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    loop_.Stop();
  }

  GenerationService::Options Options() {
    GenerationService::Options options;
    options.post = post_;
    options.clock = [] { return absl::Now(); };
    return options;
  }
  static v1::ConnectRequest Registration(const std::string& instance) {
    v1::ConnectRequest message;
    message.mutable_register_()->set_name("w");
    message.mutable_register_()->set_instance(instance);
    *message.mutable_register_()->add_models() = SmallModel("m");
    return message;
  }
  static v1::ConnectRequest Capacity(uint32_t max_images) {
    v1::ConnectRequest message;
    message.mutable_capacity()->set_max_images(max_images);
    return message;
  }
  // Registers; true if the server knows the worker then, and its models are durable: from then on ListWorkers
  // answers at once.
  bool Register(Stream& stream, const std::string& instance) {
    v1::ConnectResponse response;
    if (!stream.Write(Registration(instance)) || !stream.Read(&response) || !response.has_registered()) return false;
    absl::Notification listed;
    loop_.Post([&] {
      service_.ListWorkers([&](const absl::StatusOr<v1::ListWorkersResponse>&) { listed.Notify(); });
    });
    listed.WaitForNotification();
    return true;
  }
  // The last capacity that the loop has taken. On the loop.
  uint32_t MaxImages() {
    service_.ListWorkers([this](const absl::StatusOr<v1::ListWorkersResponse>& workers) {
      max_images_ = workers->workers().empty() ? 0 : workers->workers(0).max_images();
    });
    return max_images_;
  }

  uint32_t max_images_ = 0;  // what ListWorkers has told MaxImages
  Loop loop_{absl::Milliseconds(20)};
  const Post post_ = [this](std::function<void()> work) { loop_.Post(std::move(work)); };
  FakeStore store_;
  ServerMetrics metrics_;
  GenerationService service_{Options(), store_, metrics_};
  Everybody everybody_;
  WorkerApi api_{post_, service_.workers(), metrics_, everybody_};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
};

TEST_F(WorkerApiTest, TheFirstMessageMustBeARegistration) {
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  stream->Write(Capacity(1));
  v1::ConnectResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WorkerApiTest, WhateverAWorkerSaysNoMoreThanAnInboxOfItWaitsForTheLoop) {
  constexpr uint32_t kMessages = 1000;
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  ASSERT_TRUE(Register(*stream, "a"));
  // Something else to do all the time, and slowly: between two turns of it one inbox can have been taken, and
  // the next that filled meanwhile.
  uint32_t taken = 0, most = 0;
  absl::Notification done;
  std::function<void()> other = [&] {
    most = std::max(most, MaxImages() - taken);
    taken = MaxImages();
    for (int i = 0; i < 20; ++i) std::this_thread::yield();
    if (taken < kMessages) return loop_.Post(other);
    done.Notify();
  };
  loop_.Post(other);
  for (uint32_t i = 1; i <= kMessages; ++i) ASSERT_TRUE(stream->Write(Capacity(i)));
  done.WaitForNotification();
  EXPECT_LE(most, 2 * Inbox::kMessages);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(WorkerApiTest, EverythingIsTakenInOrderHoweverMuchItIs) {
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  ASSERT_TRUE(Register(*stream, "a"));
  for (uint32_t i = 1; i <= 500; ++i) ASSERT_TRUE(stream->Write(Capacity(i)));
  uint32_t seen = 0;
  while (seen < 500) {
    loop_.Run([&] {
      const uint32_t now = MaxImages();
      EXPECT_GE(now, seen);
      seen = now;
    });
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(WorkerApiTest, OfTwoWorkersWithOneNameTheNewerIsRefusedAndTheOlderGoesOn) {
  grpc::ClientContext older_context, newer_context;
  const auto older = stub_->Connect(&older_context);
  ASSERT_TRUE(Register(*older, "a"));
  const auto newer = stub_->Connect(&newer_context);
  EXPECT_FALSE(Register(*newer, "b"));
  const grpc::Status refused = newer->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(refused.error_message(), testing::HasSubstr("--name"));
  EXPECT_TRUE(older->Write(Capacity(7)));
  older->WritesDone();
  EXPECT_TRUE(older->Finish().ok());
}

TEST_F(WorkerApiTest, AWorkerThatDialsAgainReplacesItsOldStream) {
  grpc::ClientContext older_context, newer_context;
  const auto older = stub_->Connect(&older_context);
  ASSERT_TRUE(Register(*older, "a"));
  const auto newer = stub_->Connect(&newer_context);
  EXPECT_TRUE(Register(*newer, "a"));
  v1::ConnectResponse response;
  EXPECT_FALSE(older->Read(&response));
  EXPECT_EQ(older->Finish().error_code(), grpc::StatusCode::ABORTED);
  newer->WritesDone();
  EXPECT_TRUE(newer->Finish().ok());
}

}  // namespace
}  // namespace mind::server
