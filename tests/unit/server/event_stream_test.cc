// Streams over a real gRPC server in this process, with a service over a store in memory.
#include "server/api/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/api/generation_api.h"
#include "server/dispatch/loop.h"
#include "tests/support/everybody.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class EventStreamTest : public ::testing::Test {
 protected:
  EventStreamTest() {
    loop_.Start([this] { service_.OnTick(); });
    grpc::ServerBuilder builder;
    builder.RegisterService(&api_);
    server_ = builder.BuildAndStart();
    stub_ = v1::GenerationService::NewStub(server_->InProcessChannel({}));
    worker_ = std::make_shared<FakeSession>();
    loop_.Run([this] {
      v1::Register registration;
      registration.set_name("w");
      *registration.add_models() = SmallModel("m");
      EXPECT_TRUE(service_.workers().OnRegister(worker_, registration).ok());
      v1::ConnectRequest capacity;
      capacity.mutable_capacity()->set_max_images(1000);
      service_.workers().OnMessage(worker_.get(), capacity);
    });
  }
  ~EventStreamTest() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    loop_.Stop();
  }

  GenerationService::Options Options() {
    GenerationService::Options options;
    options.post = post_;
    options.clock = [] { return absl::Now(); };
    options.max_queue = 1'000'000;
    return options;
  }

  double OpenCalls() {
    return metrics_.open_calls["GenerateImage"].Value() + metrics_.open_calls["WatchJob"].Value();
  }
  void AwaitNoOpenCalls() {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (OpenCalls() > 0 && absl::Now() < give_up) std::this_thread::yield();
    EXPECT_EQ(OpenCalls(), 0);
  }
  // What is answered to a question asked on the loop.
  template <typename T>
  T Ask(const std::function<void(Generation::Answer<T>)>& ask) {
    absl::StatusOr<T> result = absl::UnknownError("not answered");
    absl::Notification answered;
    loop_.Post([&] {
      ask([&](absl::StatusOr<T> answer) {
        result = std::move(answer);
        answered.Notify();
      });
    });
    answered.WaitForNotification();
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : T();
  }
  std::string Create() {
    return Ask<v1::Job>([&](const auto& answer) {
             service_.Submit(PrepareSubmission(SmallRequest()), {}, std::nullopt, answer);
           })
        .id();
  }
  v1::JobState StateOf(const std::string& id) {
    return Ask<v1::Job>([&](const auto& answer) { service_.Get(id, {}, answer); }).state();
  }
  // The worker says something about a job; on the loop.
  void Preview(const std::string& id, uint32_t step) {
    v1::ConnectRequest message;
    message.mutable_image_preview()->mutable_image()->set_job_id(id);
    message.mutable_image_preview()->mutable_image()->set_attempt(1);
    message.mutable_image_preview()->mutable_preview()->set_step(step);
    message.mutable_image_preview()->mutable_preview()->set_media_type("image/jpeg");
    message.mutable_image_preview()->mutable_preview()->set_data(std::string(4096, 'x'));
    service_.workers().OnMessage(worker_.get(), message);
  }
  void Finish(const std::string& id) {
    v1::ConnectRequest message;
    message.mutable_image_result()->mutable_image()->set_job_id(id);
    message.mutable_image_result()->mutable_image()->set_attempt(1);
    message.mutable_image_result()->set_seed(1);  // SmallRequest's
    message.mutable_image_result()->set_media_type("image/png");
    message.mutable_image_result()->set_data("picture");
    loop_.Run([&] { service_.workers().OnMessage(worker_.get(), message); });
  }

  Loop loop_{absl::Milliseconds(20)};
  const Post post_ = [this](std::function<void()> work) { loop_.Post(std::move(work)); };
  FakeStore store_;
  ServerMetrics metrics_;
  GenerationService service_{Options(), store_, metrics_};
  Everybody everybody_;
  GenerationApi api_{post_, service_, metrics_, everybody_};
  std::shared_ptr<FakeSession> worker_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::GenerationService::Stub> stub_;
};

TEST_F(EventStreamTest, ABadHeaderEndsOneCall) {
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext context;
    context.AddMetadata("mind-tenant", "two words");
    grpc::Status status;
    if (i % 2 == 0) {
      v1::GenerateImageRequest request;
      *request.mutable_job() = SmallRequest();
      v1::GenerateImageResponse response;
      const auto reader = stub_->GenerateImage(&context, request);
      EXPECT_FALSE(reader->Read(&response));
      status = reader->Finish();
    } else {
      v1::WatchJobResponse response;
      const auto reader = stub_->WatchJob(&context, v1::WatchJobRequest());
      EXPECT_FALSE(reader->Read(&response));
      status = reader->Finish();
    }
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  }
  AwaitNoOpenCalls();
}

TEST_F(EventStreamTest, ACallMayBeCancelledAtAnyMoment) {
  const std::string id = Create();
  std::atomic<bool> done = false;
  std::thread worker([&] {
    for (uint32_t step = 1; !done; ++step) {
      loop_.Run([&] { Preview(id, step); });
    }
  });
  std::mt19937 random(7);
  for (int i = 0; i < 1500; ++i) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_id(id);
    const auto reader = stub_->WatchJob(&context, request);
    v1::WatchJobResponse response;
    for (uint32_t reads = random() % 4; reads > 0; --reads) reader->Read(&response);
    for (uint32_t spins = random() % 4096; spins > 0; --spins)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    context.TryCancel();
    EXPECT_FALSE(reader->Finish().ok());
  }
  done = true;
  worker.join();
  AwaitNoOpenCalls();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
}

TEST_F(EventStreamTest, EveryCallThatLeavesCancelsItsJob) {
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext context;
    v1::GenerateImageRequest request;
    *request.mutable_job() = SmallRequest();
    const auto reader = stub_->GenerateImage(&context, request);
    v1::GenerateImageResponse response;
    if (i % 2 == 0) reader->Read(&response);
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  AwaitNoOpenCalls();
  size_t running = 1;
  loop_.Run([&] { running = service_.running_jobs(); });
  EXPECT_EQ(running, 0U);
}

TEST_F(EventStreamTest, ACallCutOffByItsDeadlineSaysSo) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  v1::GenerateImageRequest request;
  *request.mutable_job() = SmallRequest();
  const auto reader = stub_->GenerateImage(&context, request);
  v1::GenerateImageResponse response;
  std::string id;
  while (reader->Read(&response)) id = response.event().job_id();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  AwaitNoOpenCalls();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_FAILED);
}

TEST_F(EventStreamTest, AStreamEndsWithItsJob) {
  grpc::ClientContext context;
  v1::GenerateImageRequest request;
  *request.mutable_job() = SmallRequest();
  const auto reader = stub_->GenerateImage(&context, request);
  v1::GenerateImageResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const std::string id = response.event().job_id();
  Finish(id);
  v1::JobEvent last;
  while (reader->Read(&response)) last = response.event();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(last.has_completed());

  // A watch from its last event ends at once.
  grpc::ClientContext watch;
  v1::WatchJobRequest again;
  again.set_id(id);
  again.set_after_sequence(last.sequence());
  v1::WatchJobResponse none;
  const auto watcher = stub_->WatchJob(&watch, again);
  EXPECT_FALSE(watcher->Read(&none));
  EXPECT_TRUE(watcher->Finish().ok());
  AwaitNoOpenCalls();
}

TEST_F(EventStreamTest, ASlowReaderHoldsNothingUpAndMissesNothingThatMatters) {
  const std::string id = Create();
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_id(id);
  const auto reader = stub_->WatchJob(&context, request);
  v1::WatchJobResponse response;
  ASSERT_TRUE(reader->Read(&response));
  for (uint32_t step = 1; step <= 2000; ++step) {
    loop_.Run([&] { Preview(id, step); });
  }
  Finish(id);
  int events = 0;
  bool picture = false, completed = false;
  while (reader->Read(&response)) {
    ++events;
    picture = picture || response.event().has_image();
    completed = completed || response.event().has_completed();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(picture && completed);
  EXPECT_LT(events, 2000);
}

TEST_F(EventStreamTest, AServerGoingDownTellsItsWatchers) {
  const std::string id = Create();
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_id(id);
  const auto reader = stub_->WatchJob(&context, request);
  v1::WatchJobResponse response;
  ASSERT_TRUE(reader->Read(&response));
  loop_.Run([this] { service_.CloseWatches(); });
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  AwaitNoOpenCalls();
}

}  // namespace
}  // namespace mind::server
