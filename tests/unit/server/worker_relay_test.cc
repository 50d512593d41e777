// Workers' streams through a front, to a leader that does as a test says.
#include "server/cluster/worker_relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/message_size.h"
#include "tests/support/everybody.h"

namespace mind::server {
namespace {

using LeadersStream = grpc::ServerReaderWriter<v1::ConnectResponse, v1::ConnectRequest>;
using WorkersStream = grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>;

// A leader's cluster port.
class Leader : public v1::WorkerService::Service {
 public:
  using Serve = std::function<grpc::Status(grpc::ServerContext&, LeadersStream&)>;

  explicit Leader(Serve serve) : serve_(std::move(serve)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    server_ = builder.BuildAndStart();
  }
  ~Leader() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }
  LeaderLinkPtr Link(uint64_t term) const {
    return std::make_shared<LeaderLink>(term, DialFront("127.0.0.1:" + std::to_string(port_)));
  }

 private:
  grpc::Status Connect(grpc::ServerContext* context, LeadersStream* stream) override {
    return serve_(*context, *stream);
  }

  const Serve serve_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class WorkerRelayTest : public ::testing::Test {
 protected:
  WorkerRelayTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&relay_);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    front_ = builder.BuildAndStart();
    stub_ = v1::WorkerService::NewStub(DialFront("127.0.0.1:" + std::to_string(port)));
  }
  ~WorkerRelayTest() override {
    relay_.PointTo(nullptr);
    front_->Shutdown(std::chrono::system_clock::now());
    front_->Wait();
    relay_.Join();
  }

  static v1::ConnectRequest Named(const std::string& name) {
    v1::ConnectRequest message;
    message.mutable_register_()->set_name(name);
    return message;
  }
  // Ends when the caller has gone.
  static grpc::Status Hang(grpc::ServerContext& context, LeadersStream&) {
    while (!context.IsCancelled()) absl::SleepFor(absl::Milliseconds(5));
    return grpc::Status::OK;
  }

  ServerMetrics metrics_;
  Everybody everybody_;
  WorkerRelay relay_{metrics_, everybody_};
  std::unique_ptr<grpc::Server> front_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
};

// Gives each name back as the lease.
grpc::Status Echo(grpc::ServerContext&, LeadersStream& stream) {
  v1::ConnectRequest request;
  while (stream.Read(&request)) {
    v1::ConnectResponse response;
    response.mutable_registered()->set_lease_ms(
        static_cast<uint32_t>(std::atoi(request.register_().name().c_str())));
    // What this version does not know goes through as well.
    response.GetReflection()->MutableUnknownFields(&response)->MergeFrom(
        request.GetReflection()->GetUnknownFields(request));
    stream.Write(response);
  }
  return grpc::Status::OK;
}

TEST_F(WorkerRelayTest, WhatIsSaidArrivesAsItIsAndInOrder) {
  Leader leader(Echo);
  relay_.PointTo(leader.Link(1));
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  for (uint32_t i = 1; i <= 300; ++i) {
    v1::ConnectRequest request = Named(std::to_string(i));
    request.GetReflection()->MutableUnknownFields(&request)->AddVarint(4711, i);
    ASSERT_TRUE(stream->Write(request));
    v1::ConnectResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.registered().lease_ms(), i);
    const auto& unknown = response.GetReflection()->GetUnknownFields(response);
    ASSERT_EQ(unknown.field_count(), 1);
    EXPECT_EQ(unknown.field(0).varint(), i);
  }
  stream->WritesDone();
  v1::ConnectResponse none;
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(WorkerRelayTest, HowTheLeaderEndsAStreamTheWorkerIsToldWithAllDetails) {
  Leader leader([](grpc::ServerContext&, LeadersStream&) {
    return ToGrpc(MakeError(absl::StatusCode::kAlreadyExists, "taken", "NAME_TAKEN"));
  });
  relay_.PointTo(leader.Link(1));
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  v1::ConnectResponse none;
  EXPECT_FALSE(stream->Read(&none));
  const absl::Status status = FromGrpc(stream->Finish());
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(GetErrorInfo(status)->reason(), "NAME_TAKEN");
}

TEST_F(WorkerRelayTest, AWorkerThatGoesIsGoneForTheLeaderToo) {
  absl::Notification came, gone;
  Leader leader([&](grpc::ServerContext& context, LeadersStream& stream) {
    came.Notify();
    Hang(context, stream);
    gone.Notify();
    return grpc::Status::OK;
  });
  relay_.PointTo(leader.Link(1));
  {
    grpc::ClientContext context;
    const auto stream = stub_->Connect(&context);
    came.WaitForNotification();
    context.TryCancel();
    stream->Finish();
  }
  gone.WaitForNotification();
}

TEST_F(WorkerRelayTest, WhenAnotherLeadsStreamsToTheOneBeforeEndEvenIfItHangs) {
  absl::Notification came;
  Leader hanging([&](grpc::ServerContext& context, LeadersStream& stream) {
    came.Notify();
    return Hang(context, stream);
  });
  Leader next(Echo);
  relay_.PointTo(hanging.Link(1));
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  came.WaitForNotification();
  relay_.PointTo(next.Link(2));
  v1::ConnectResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  // It dials again.
  grpc::ClientContext again;
  const auto second = stub_->Connect(&again);
  EXPECT_TRUE(second->Write(Named("7")));
  EXPECT_TRUE(second->Read(&response));
  EXPECT_EQ(response.registered().lease_ms(), 7U);
  second->WritesDone();
  EXPECT_TRUE(second->Finish().ok());
}

TEST_F(WorkerRelayTest, AStreamThatFindsNoLeaderWaitsForOne) {
  Leader leader(Echo);
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  EXPECT_TRUE(stream->Write(Named("5")));
  relay_.PointTo(leader.Link(1));
  v1::ConnectResponse response;
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.registered().lease_ms(), 5U);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(WorkerRelayTest, AWorkerThatGivesUpWaitingEndsItsStream) {
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(WorkerRelayTest, ALeaderThatDiesEndsItsStreams) {
  auto leader = std::make_unique<Leader>(&WorkerRelayTest::Hang);
  relay_.PointTo(leader->Link(1));
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  EXPECT_TRUE(stream->Write(Named("1")));
  leader.reset();
  v1::ConnectResponse none;
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// Messages so large that what connections hold back by themselves is a few of them.
constexpr size_t kLarge = 8 << 20;
constexpr int kUnderWay = 8, kMessages = 24;

// Who reads is behind who writes.
void AwaitWritten(const std::atomic<int>& written, int count) {
  while (written < count) std::this_thread::yield();
}

TEST_F(WorkerRelayTest, ALeaderThatReadsSlowlySlowsTheWorker) {
  std::atomic<int> written = 0;
  Leader leader([&](grpc::ServerContext&, LeadersStream& stream) {
    v1::ConnectRequest request;
    for (int read = 1; read <= kMessages; ++read) {
      AwaitWritten(written, read);
      EXPECT_LE(written, read + kUnderWay);
      EXPECT_TRUE(stream.Read(&request));
    }
    return grpc::Status::OK;
  });
  relay_.PointTo(leader.Link(1));
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  const v1::ConnectRequest large = Named(std::string(kLarge, 'x'));
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(stream->Write(large));
    ++written;
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(WorkerRelayTest, AWorkerThatReadsSlowlySlowsTheLeader) {
  std::atomic<int> written = 0;
  Leader leader([&](grpc::ServerContext&, LeadersStream& stream) {
    v1::ConnectResponse large;
    large.mutable_assign()->set_job_id(std::string(kLarge, 'x'));
    for (int i = 0; i < kMessages; ++i) {
      EXPECT_TRUE(stream.Write(large));
      ++written;
    }
    return grpc::Status::OK;
  });
  relay_.PointTo(leader.Link(1));
  grpc::ClientContext context;
  const auto stream = stub_->Connect(&context);
  v1::ConnectResponse response;
  for (int read = 1; read <= kMessages; ++read) {
    AwaitWritten(written, read);
    EXPECT_LE(written, read + kUnderWay);
    ASSERT_TRUE(stream->Read(&response));
  }
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace mind::server
