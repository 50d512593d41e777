// Several fronts in this process, on one database in memory: real loops, cluster ports and streams.
#ifndef MIND_TESTS_UNIT_SERVER_FRONT_RIG_H_
#define MIND_TESTS_UNIT_SERVER_FRONT_RIG_H_

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "server/dispatch/loop.h"
#include "server/process/front.h"
#include "tests/support/everybody.h"
#include "tests/unit/server/fake_database.h"
#include "tests/unit/server/service_rig.h"
#include "tests/unit/server/wait_for.h"

namespace mind::server {

// One server process, as far as there is one.
class Member {
 public:
  explicit Member(FakeDatabase& database) : view_(database) {
    Front::Options options;
    options.cluster = "127.0.0.1:0";
    options.authority = &everybody_;
    options.lease = absl::Milliseconds(600);
    options.service.post = post_;
    options.service.clock = [] { return absl::Now(); };
    options.service.front_patience = absl::Milliseconds(200);
    options.service.orphan_patience = absl::Seconds(3);
    options.open_store = [this](uint64_t term, const std::string&) { return view_.Open(term); };
    // The test's, which outlives it.
    options.store = std::shared_ptr<JobReader>(std::shared_ptr<void>(), &view_);
    options.terms = std::shared_ptr<TermStore>(std::shared_ptr<void>(), &view_);
    auto front = Front::Start(options, metrics_);
    EXPECT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    generation_ = std::make_unique<GenerationApi>(post_, front_->generation(), metrics_, everybody_);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(generation_.get());
    builder.RegisterService(&front_->workers());
    server_ = builder.BuildAndStart();
    stub_ = v1::GenerationService::NewStub(Channel());
    loop_.Start([this] { front_->OnTick(); });
    loop_.Run([this] { front_->OnServingChange([this](bool serving) { serving_ = serving; }); });
  }
  ~Member() { Stop(); }

  // As on SIGTERM, without grace.
  void Stop() {
    if (server_ == nullptr) return;
    loop_.Run([this] {
      front_->WindDown();
      front_->CloseCalls();
    });
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    front_->Join();
    loop_.Stop();
    server_.reset();
  }

  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials());
  }
  v1::GenerationService::Stub& stub() { return *stub_; }
  FakeDatabase::View& view() { return view_; }
  bool serving() const { return serving_; }

 private:
  Loop loop_{absl::Milliseconds(20)};
  const Post post_ = [this](std::function<void()> work) { loop_.Post(std::move(work)); };
  FakeDatabase::View view_;
  ServerMetrics metrics_;
  Everybody everybody_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<GenerationApi> generation_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::GenerationService::Stub> stub_;
  std::atomic<bool> serving_ = false;
};

// A worker that dials one front for as long as it lives, and makes pictures when it is let.
class TestWorker {
 public:
  explicit TestWorker(const Member& front)
      : stub_(v1::WorkerService::NewStub(front.Channel())), thread_([this] { Main(); }) {}
  ~TestWorker() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      if (context_ != nullptr) context_->TryCancel();
    }
    thread_.join();
  }

  void Let() { may_finish_ = true; }
  int assigned() const { return assigned_; }
  int connections() const { return connections_; }

 private:
  using Stream = grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>;

  void Main() {
    for (;;) {
      auto context = std::make_unique<grpc::ClientContext>();
      {
        const std::lock_guard lock(mutex_);
        if (over_) return;
        context_ = context.get();
      }
      Serve(*stub_->Connect(context.get()));
      const std::lock_guard lock(mutex_);
      context_ = nullptr;
    }
  }

  void Serve(Stream& stream) {
    std::mutex writing;
    const auto say = [&](const v1::ConnectRequest& message) {
      const std::lock_guard lock(writing);
      return stream.Write(message);
    };
    v1::ConnectRequest hello;
    hello.mutable_register_()->set_name("w");
    *hello.mutable_register_()->add_models() = SmallModel("m");
    v1::ConnectRequest capacity;
    capacity.mutable_capacity()->set_max_images(4);
    v1::ConnectResponse response;
    if (!say(hello) || !stream.Read(&response) || !say(capacity)) {
      stream.Finish();
      return;
    }
    ++connections_;
    std::atomic<bool> open = true;
    std::mutex waiting;
    std::deque<v1::Assign> work;
    // Beats, and does what it has when it may.
    std::thread making([&] {
      while (open) {
        absl::SleepFor(absl::Milliseconds(10));
        say(capacity);
        const std::lock_guard lock(waiting);
        if (!may_finish_ || work.empty()) continue;
        for (const v1::AssignedImage& image : work.front().images()) {
          v1::ConnectRequest message;
          v1::ImageResult& result = *message.mutable_image_result();
          result.mutable_image()->set_job_id(work.front().job_id());
          result.mutable_image()->set_attempt(work.front().attempt());
          result.mutable_image()->set_image_index(image.image_index());
          result.set_seed(work.front().spec().seed() + image.image_index());
          result.set_media_type("image/png");
          result.set_data("picture " + std::to_string(image.image_index()));
          say(message);
        }
        work.pop_front();
      }
    });
    while (stream.Read(&response)) {
      if (!response.has_assign()) continue;
      ++assigned_;
      const std::lock_guard lock(waiting);
      work.push_back(response.assign());
    }
    open = false;
    making.join();
    stream.Finish();
  }

  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::mutex mutex_;
  grpc::ClientContext* context_ = nullptr;
  bool over_ = false;
  std::atomic<bool> may_finish_ = false;
  std::atomic<int> assigned_ = 0, connections_ = 0;
  std::thread thread_;
};

// A call that follows a job, on a thread of its own.
template <typename Response>
class Following {
 public:
  using Begin = std::function<std::unique_ptr<grpc::ClientReader<Response>>(grpc::ClientContext*)>;

  explicit Following(const Begin& begin) : reader_(begin(&context_)), thread_([this] { Main(); }) {}
  ~Following() {
    context_.TryCancel();
    if (thread_.joinable()) thread_.join();
  }
  void Cancel() { context_.TryCancel(); }
  grpc::Status Join() {
    thread_.join();
    return status_;
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }
  std::vector<v1::JobEvent> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::vector<uint32_t> Pictures() {
    std::vector<uint32_t> pictures;
    for (const v1::JobEvent& event : events()) {
      if (event.has_image() && event.image().last()) pictures.push_back(event.image().image_index());
    }
    return pictures;
  }
  bool Rising() {
    uint64_t last = 0;
    for (const v1::JobEvent& event : events()) {
      if (event.sequence() <= last) return false;
      last = event.sequence();
    }
    return true;
  }

 private:
  void Main() {
    Response response;
    while (reader_->Read(&response)) {
      const std::lock_guard lock(mutex_);
      events_.push_back(response.event());
    }
    status_ = reader_->Finish();
  }

  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReader<Response>> reader_;
  std::mutex mutex_;
  std::vector<v1::JobEvent> events_;
  grpc::Status status_;
  std::thread thread_;
};

class FrontRig : public ::testing::Test {
 protected:
  // The first leads.
  void Start(int count) {
    for (int i = 0; i < count; ++i) {
      members_.push_back(std::make_unique<Member>(database_));
      WaitFor("a leader", [this] { return members_.back()->serving(); });
    }
  }
  Member& member(size_t index) { return *members_.at(index); }

  static v1::JobRequest Request(uint32_t images = 1) { return SmallRequest("m", images); }
  std::string Create(Member& at, const v1::JobRequest& job = Request()) {
    grpc::ClientContext context;
    v1::CreateJobRequest request;
    *request.mutable_job() = job;
    v1::CreateJobResponse response;
    const grpc::Status status = at.stub().CreateJob(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.job().id();
  }
  v1::Job Get(Member& at, const std::string& id) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_id(id);
    v1::GetJobResponse response;
    const grpc::Status status = at.stub().GetJob(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.job();
  }
  std::unique_ptr<Following<v1::WatchJobResponse>> Watch(Member& at, const std::string& id,
                                                         uint64_t after = 0) {
    v1::WatchJobRequest request;
    request.set_id(id);
    request.set_after_sequence(after);
    return std::make_unique<Following<v1::WatchJobResponse>>(
        [&](grpc::ClientContext* context) { return at.stub().WatchJob(context, request); });
  }
  std::unique_ptr<Following<v1::GenerateImageResponse>> Generate(Member& at, const v1::JobRequest& job) {
    v1::GenerateImageRequest request;
    *request.mutable_job() = job;
    return std::make_unique<Following<v1::GenerateImageResponse>>(
        [&](grpc::ClientContext* context) { return at.stub().GenerateImage(context, request); });
  }
  // That a call has made, when the call has said so.
  static std::string JobOf(Following<v1::GenerateImageResponse>& call) {
    WaitFor("the job", [&] { return !call.events().empty(); });
    return call.events().at(0).job_id();
  }
  void AwaitModel(Member& at) {
    WaitFor("the model", [&] {
      grpc::ClientContext context;
      v1::ListModelsResponse response;
      return at.stub().ListModels(&context, {}, &response).ok() && response.models_size() == 1;
    });
  }

  FakeDatabase database_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_FRONT_RIG_H_
