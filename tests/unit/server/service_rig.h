// A GenerationService under a test's control: its clock, its store, workers that say what the test says.
#ifndef MIND_TESTS_UNIT_SERVER_SERVICE_RIG_H_
#define MIND_TESTS_UNIT_SERVER_SERVICE_RIG_H_

#include <gtest/gtest.h>

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
    options_.clock = [this] { return now_; };
  }

  // REQUIRES: options_ are as they shall be.
  GenerationService& service() {
    if (service_ == nullptr) Restart();
    return *service_;
  }
  // As after a crash: all that was in memory is lost.
  void Restart() {
    store_.Reopen();
    service_ = std::make_unique<GenerationService>(options_, store_, metrics_);
    const absl::Status recovered = service_->Recover();
    EXPECT_TRUE(recovered.ok()) << recovered;
  }
  void Tick(absl::Duration later = absl::Milliseconds(100)) {
    now_ += later;
    steady_ += later;
    service().OnTick();
  }

  std::shared_ptr<FakeSession> Connect(const std::string& name, uint32_t room,
                                       const std::vector<std::string>& models = {"m"}) {
    auto session = std::make_shared<FakeSession>();
    v1::Register registration;
    registration.set_name(name);
    for (const std::string& model : models) *registration.add_models() = SmallModel(model);
    const absl::Status registered = service().OnRegister(session, registration);
    EXPECT_TRUE(registered.ok()) << registered;
    v1::ConnectRequest capacity;
    capacity.mutable_capacity()->set_max_images(room);
    service().OnWorkerMessage(session.get(), capacity);
    return session;
  }

  std::string Create(const v1::JobRequest& request = SmallRequest()) {
    const auto job = service().Submit(request, {});
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id() : "";
  }
  v1::JobState StateOf(const std::string& id) {
    const auto job = service().Get(id, {});
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->state() : v1::JOB_STATE_UNSPECIFIED;
  }

  // The worker has made a picture of its newest attempt at the job.
  void Finish(const std::shared_ptr<FakeSession>& worker, const std::string& id, uint32_t image = 0) {
    const auto job = service().Get(id, {});
    ASSERT_TRUE(job.ok()) << job.status();
    v1::ConnectRequest message;
    v1::ImageResult& result = *message.mutable_image_result();
    result.mutable_image()->set_job_id(id);
    result.mutable_image()->set_attempt(job->attempt());
    result.mutable_image()->set_image_index(image);
    result.set_seed(job->spec().seed() + image);
    result.set_media_type("image/png");
    result.set_data("picture " + std::to_string(image));
    service().OnWorkerMessage(worker.get(), message);
  }

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
      WatchNews news = service().Next(watch);
      if (news.events.empty() && !news.end) break;
      for (v1::JobEvent& event : news.events) {
        EXPECT_GE(event.sequence(), told.last_sequence);
        told.last_sequence = event.sequence();
        if (event.has_image() && event.image().last()) told.pictures.push_back(event.image().image_index());
        told.completed = told.completed || event.has_completed();
        told.events.push_back(std::move(event));
      }
      told.end = news.end;
    }
    return told;
  }
  Told WatchFrom(const std::string& id, uint64_t after_sequence = 0) {
    const auto watch = service().Watch(id, after_sequence, {}, [] {});
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
  FakeStore store_;
  ServerMetrics metrics_;
  GenerationService::Options options_ = [this] {
    GenerationService::Options options;
    options.steady_clock = [this] { return steady_; };
    return options;
  }();
  std::unique_ptr<GenerationService> service_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_SERVICE_RIG_H_
