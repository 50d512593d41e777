// A GenerationService under a test's control: its clock, its store, workers that say what the test says.
#ifndef MIND_TESTS_UNIT_SERVER_SERVICE_RIG_H_
#define MIND_TESTS_UNIT_SERVER_SERVICE_RIG_H_

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/generation/service.h"
#include "tests/unit/server/fake_store.h"

namespace mind::server {

inline v1::Model SmallModel(const std::string& name) {
  v1::Model model;
  model.set_name(name);
  model.set_takes_prompt(true);
  model.set_size_multiple(8);
  model.set_default_width(64);
  model.set_default_height(64);
  model.set_max_width(256);
  model.set_max_height(256);
  model.set_default_steps(20);
  model.set_max_steps(1000);
  model.set_default_guidance(3);
  model.set_default_sampler("ddim");
  v1::Sampler* const sampler = model.add_samplers();
  sampler->set_name("ddim");
  sampler->set_evaluations_per_step(1);
  return model;
}

inline v1::JobRequest SmallRequest(const std::string& model = "m", uint32_t images = 1) {
  v1::JobRequest request;
  request.mutable_spec()->set_model(model);
  request.mutable_spec()->set_prompt("a cat");
  request.mutable_spec()->set_image_count(images);
  request.mutable_spec()->set_seed(1);
  return request;
}

inline v1::JobRequest NamedRequest(const std::string& request_id) {
  v1::JobRequest request = SmallRequest();
  request.set_request_id(request_id);
  return request;
}

class FakeSession : public WorkerSession {
 public:
  std::vector<v1::ConnectResponse> sent;
  bool closed = false;
  absl::Status status;

  void Send(v1::ConnectResponse message) override { sent.push_back(std::move(message)); }
  void Close(const absl::Status& why) override {
    closed = true;
    status = why;
  }
  // The assignments it was sent.
  std::vector<v1::Assign> Assigned() const {
    std::vector<v1::Assign> assigned;
    for (const v1::ConnectResponse& message : sent) {
      if (message.has_assign()) assigned.push_back(message.assign());
    }
    return assigned;
  }
};

class ServiceRig : public ::testing::Test {
 protected:
  ServiceRig() {
    options_.post = [this](std::function<void()> work) { posted_.push_back(std::move(work)); };
    options_.clock = [this] { return now_; };
    options_.steady_clock = [this] { return steady_; };
  }

  // REQUIRES: options_ are as they shall be.
  GenerationService& service() {
    if (service_ == nullptr) Restart();
    return *service_;
  }
  // As after a crash: all that was in memory is lost.
  void Restart() {
    store_.Reopen();
    posted_.clear();
    service_ = std::make_unique<GenerationService>(options_, store_, metrics_);
    const absl::Status recovered = service_->Recover();
    EXPECT_TRUE(recovered.ok()) << recovered;
    Settle();
  }
  // Does what has been posted to the loop, and what that posts. False: there was nothing.
  bool Settle() {
    if (posted_.empty()) return false;
    while (!posted_.empty()) {
      const std::function<void()> work = std::move(posted_.front());
      posted_.pop_front();
      work();
    }
    return true;
  }
  void Tick(absl::Duration later = absl::Milliseconds(100)) {
    now_ += later;
    steady_ += later;
    service().OnTick();
    Settle();
  }

  // --- Clients. Where nothing else is said, a call has its answer when the loop has nothing to do.

  template <typename T>
  using Reply = std::shared_ptr<std::optional<absl::StatusOr<T>>>;
  template <typename T>
  static std::pair<Reply<T>, Generation::Answer<T>> Expect() {
    const auto reply = std::make_shared<std::optional<absl::StatusOr<T>>>();
    return {reply, [reply](absl::StatusOr<T> answer) {
              EXPECT_FALSE(reply->has_value()) << "answered twice";
              *reply = std::move(answer);
            }};
  }
  template <typename T>
  absl::StatusOr<T> Answered(const Reply<T>& reply) {
    Settle();
    if (reply->has_value()) return **reply;
    return absl::DeadlineExceededError("not answered");
  }

  // Without waiting for the answer.
  Reply<v1::Job> Ask(const v1::JobRequest& request, const Caller& caller = {},
                     const std::optional<CallTimes>& tied_to = {}) {
    const auto [reply, answer] = Expect<v1::Job>();
    service().Submit(PrepareSubmission(request), caller, tied_to, answer);
    return reply;
  }
  absl::StatusOr<v1::Job> Submit(const v1::JobRequest& request, const Caller& caller = {},
                                 const std::optional<CallTimes>& tied_to = {}) {
    return Answered<v1::Job>(Ask(request, caller, tied_to));
  }
  void Leave(const std::string& id, const CallTimes& call) {
    service().Leave(id, call);
    Settle();
  }
  absl::StatusOr<v1::Job> Get(const std::string& id, const Caller& caller = {}) {
    const auto [reply, answer] = Expect<v1::Job>();
    service().Get(id, caller, answer);
    return Answered<v1::Job>(reply);
  }
  absl::StatusOr<v1::ListJobsResponse> List(const v1::ListJobsRequest& request, const Caller& caller = {}) {
    const auto [reply, answer] = Expect<v1::ListJobsResponse>();
    service().List(request, caller, answer);
    return Answered<v1::ListJobsResponse>(reply);
  }
  absl::StatusOr<v1::Job> Cancel(const std::string& id, const Caller& caller = {}) {
    const auto [reply, answer] = Expect<v1::Job>();
    service().Cancel(id, caller, MakeError(absl::StatusCode::kCancelled, "by request", "CANCELLED"), answer);
    return Answered<v1::Job>(reply);
  }
  absl::StatusOr<WatchId> Watch(
      const std::string& id, uint64_t after_sequence = 0, const Caller& caller = {},
      const std::function<void()>& on_news = [] {}) {
    const auto [reply, answer] = Expect<WatchId>();
    service().Watch(id, {.after_sequence = after_sequence}, caller, on_news, answer);
    return Answered<WatchId>(reply);
  }
  v1::ListWorkersResponse ListWorkers() {
    const auto [reply, answer] = Expect<v1::ListWorkersResponse>();
    service().ListWorkers(answer);
    return *Answered<v1::ListWorkersResponse>(reply);
  }
  std::string Create(const v1::JobRequest& request = SmallRequest()) {
    const auto job = Submit(request);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id() : "";
  }
  v1::JobState StateOf(const std::string& id) {
    const auto job = Get(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->state() : v1::JOB_STATE_UNSPECIFIED;
  }

  // --- Workers.

  absl::Status Register(const std::shared_ptr<FakeSession>& session, const v1::Register& registration) {
    absl::Status registered = service().workers().OnRegister(session, registration);
    Settle();
    return registered;
  }
  void Say(const std::shared_ptr<FakeSession>& worker, const v1::ConnectRequest& message) {
    service().workers().OnMessage(worker.get(), message);
    Settle();
  }
  void Lose(const std::shared_ptr<FakeSession>& worker) {
    service().workers().OnClosed(worker.get());
    Settle();
  }
  void SayCapacity(const std::shared_ptr<FakeSession>& worker, uint32_t room) {
    v1::ConnectRequest capacity;
    capacity.mutable_capacity()->set_max_images(room);
    Say(worker, capacity);
  }
  std::shared_ptr<FakeSession> Connect(const std::string& name, uint32_t room,
                                       const std::vector<std::string>& models = {"m"}) {
    auto session = std::make_shared<FakeSession>();
    v1::Register registration;
    registration.set_name(name);
    for (const std::string& model : models) *registration.add_models() = SmallModel(model);
    const absl::Status registered = Register(session, registration);
    EXPECT_TRUE(registered.ok()) << registered;
    SayCapacity(session, room);
    return session;
  }
  // The worker has made a picture of its newest attempt at the job.
  void Finish(const std::shared_ptr<FakeSession>& worker, const std::string& id, uint32_t image = 0) {
    const auto job = Get(id);
    ASSERT_TRUE(job.ok()) << job.status();
    v1::ConnectRequest message;
    v1::ImageResult& result = *message.mutable_image_result();
    result.mutable_image()->set_job_id(id);
    result.mutable_image()->set_attempt(job->attempt());
    result.mutable_image()->set_image_index(image);
    result.set_seed(job->spec().seed() + image);
    result.set_media_type("image/png");
    result.set_data("picture " + std::to_string(image));
    Say(worker, message);
  }

  // --- Events.

  // All that a watch has to tell now, and how it ended if it has.
  struct Told {
    std::vector<v1::JobEvent> events;
    std::optional<absl::Status> end;
    uint64_t last_sequence = 0;
    std::vector<uint32_t> pictures;
    bool completed = false;
  };
  Told Listen(WatchId watch) {
    Told told;
    while (!told.end) {
      const WatchNews news = service().Next(watch);
      if (news.event == nullptr && !news.end) {
        if (!Settle()) break;
        continue;
      }
      told.end = news.end;
      if (news.event == nullptr) continue;
      const v1::JobEvent& event = *news.event;
      EXPECT_GE(event.sequence(), told.last_sequence);
      told.last_sequence = event.sequence();
      if (event.has_image() && event.image().last()) told.pictures.push_back(event.image().image_index());
      told.completed = told.completed || event.has_completed();
      told.events.push_back(event);
    }
    return told;
  }
  Told WatchFrom(const std::string& id, uint64_t after_sequence = 0) {
    const auto watch = Watch(id, after_sequence);
    EXPECT_TRUE(watch.ok()) << watch.status();
    if (!watch.ok()) return {};
    Told told = Listen(*watch);
    service().Unwatch(*watch);
    return told;
  }
  static std::string ReasonOf(const absl::Status& status) {
    const auto info = GetErrorInfo(status);
    return info ? info->reason() : "";
  }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(500'000);
  absl::Duration steady_;
  std::deque<std::function<void()>> posted_;
  FakeStore store_;
  ServerMetrics metrics_;
  GenerationService::Options options_;
  std::unique_ptr<GenerationService> service_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_SERVICE_RIG_H_
