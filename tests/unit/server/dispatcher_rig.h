// A dispatcher with simulated time, and one verb for each thing that can happen to it.
#ifndef MIND_TESTS_UNIT_SERVER_DISPATCHER_RIG_H_
#define MIND_TESTS_UNIT_SERVER_DISPATCHER_RIG_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/dispatch/dispatcher.h"

namespace mind::server {

inline constexpr uint32_t kSteps = 10;

template <typename A>
std::vector<A> Of(const Actions& actions) {
  std::vector<A> found;
  for (const Action& action : actions) {
    if (const A* const a = std::get_if<A>(&action)) found.push_back(*a);
  }
  return found;
}

class DispatcherRig : public testing::Test {
 protected:
  explicit DispatcherRig(const Dispatcher::Options& options = {}) : dispatcher_(options) {}

  // --- Messages.

  static v1::Model Model(const std::string& name = "m", const std::string& revision = "") {
    v1::Model model;
    model.set_name(name);
    model.set_revision(revision);
    model.set_size_multiple(8);
    model.set_max_width(64);
    model.set_max_height(64);
    model.set_max_steps(1000);
    model.add_samplers()->set_name("euler");
    return model;
  }

  static v1::Register Registration(const std::string& name,
                                   const std::vector<v1::Model>& models = {Model()}) {
    v1::Register registration;
    registration.set_name(name);
    for (const v1::Model& model : models) *registration.add_models() = model;
    return registration;
  }

  v1::Job Job(const std::string& id, uint32_t images = 1, v1::Priority priority = v1::PRIORITY_NORMAL,
              const std::string& model = "m") {
    v1::Job job;
    job.set_id(id);
    job.set_tenant("t");
    job.set_state(v1::JOB_STATE_QUEUED);
    job.set_priority(priority);
    v1::ImageSpec& spec = *job.mutable_spec();
    spec.set_model(model);
    spec.set_sampler("euler");
    spec.set_width(64);
    spec.set_height(64);
    spec.set_steps(kSteps);
    spec.set_image_count(images);
    job.set_steps_total(kSteps * images);
    *job.mutable_create_time() = ToTimestamp(now_.wall);
    return job;
  }

  static v1::ImageRef Ref(const std::string& job, uint32_t attempt, uint32_t image = 0) {
    v1::ImageRef ref;
    ref.set_job_id(job);
    ref.set_attempt(attempt);
    ref.set_image_index(image);
    return ref;
  }

  // --- Events.

  // One row a step and picture.
  Actions Submit(const v1::Job& job) { return Noted(dispatcher_.OnSubmit(job, job.steps_total(), {}, now_)); }
  Actions Submit(const std::string& id, uint32_t images = 1) { return Submit(Job(id, images)); }

  Actions Say(const std::string& worker, const v1::ConnectRequest& message) {
    return Noted(dispatcher_.OnWorkerMessage(worker, message, now_));
  }
  Actions Capacity(const std::string& worker, uint32_t max_images,
                   const std::map<std::string, double>& row_seconds = {}) {
    v1::ConnectRequest message;
    message.mutable_capacity()->set_max_images(max_images);
    for (const auto& [model, seconds] : row_seconds) {
      v1::ModelSpeed* const speed = message.mutable_capacity()->add_speeds();
      speed->set_model(model);
      speed->set_row_seconds(seconds);
    }
    return Say(worker, message);
  }
  Actions Register(const v1::Register& registration) {
    return Noted(dispatcher_.OnWorkerConnected(registration, now_));
  }
  Actions Connect(const v1::Register& registration, uint32_t max_images = 4) {
    Actions actions = Register(registration);
    const Actions more = Capacity(registration.name(), max_images);
    actions.insert(actions.end(), more.begin(), more.end());
    return actions;
  }
  Actions Connect(const std::string& name, uint32_t max_images = 4, const std::string& model = "m") {
    return Connect(Registration(name, {Model(model)}), max_images);
  }
  Actions Lose(const std::string& worker) { return Noted(dispatcher_.OnWorkerLost(worker, now_)); }
  Actions Cancel(const std::string& id) {
    return Noted(dispatcher_.OnCancel(id, absl::CancelledError("enough"), now_));
  }

  Actions Started(const std::string& worker, const v1::ImageRef& ref) {
    v1::ConnectRequest message;
    *message.mutable_image_started()->mutable_image() = ref;
    return Say(worker, message);
  }
  Actions Progress(const std::string& worker, const v1::ImageRef& ref, uint32_t step) {
    v1::ConnectRequest message;
    *message.mutable_image_progress()->mutable_image() = ref;
    message.mutable_image_progress()->set_step(step);
    message.mutable_image_progress()->set_steps(kSteps);
    return Say(worker, message);
  }
  Actions Checkpoint(const std::string& worker, const v1::ImageRef& ref, uint32_t step) {
    v1::ConnectRequest message;
    *message.mutable_image_checkpoint()->mutable_image() = ref;
    message.mutable_image_checkpoint()->set_step(step);
    message.mutable_image_checkpoint()->set_data("state at " + std::to_string(step));
    return Say(worker, message);
  }
  Actions Result(const std::string& worker, const v1::ImageRef& ref) {
    v1::ConnectRequest message;
    *message.mutable_image_result()->mutable_image() = ref;
    return Say(worker, message);
  }
  Actions Failure(const std::string& worker, const v1::ImageRef& ref, const absl::Status& status) {
    v1::ConnectRequest message;
    *message.mutable_image_failure()->mutable_image() = ref;
    *message.mutable_image_failure()->mutable_error() = ToProto(status);
    return Say(worker, message);
  }
  Actions Cancelled(const std::string& worker, const v1::ImageRef& ref) {
    v1::ConnectRequest message;
    *message.mutable_image_cancelled()->mutable_image() = ref;
    return Say(worker, message);
  }
  Actions HandBack(const std::string& worker, const v1::ImageRef& ref, uint32_t step) {
    v1::ConnectRequest message;
    *message.mutable_image_handed_back()->mutable_image() = ref;
    message.mutable_image_handed_back()->set_step(step);
    message.mutable_image_handed_back()->set_checkpoint("state at " + std::to_string(step));
    return Say(worker, message);
  }
  Actions Drain(const std::string& worker) {
    v1::ConnectRequest message;
    message.mutable_draining();
    return Say(worker, message);
  }

  // --- Time.

  void Pass(absl::Duration time) { now_ = {now_.wall + time, now_.steady + time}; }
  Actions Tick() { return Noted(dispatcher_.OnTick(now_)); }
  // Lets time pass as it does: with ticks all along, and these workers sending their heartbeats.
  Actions Wait(absl::Duration time, const std::vector<std::string>& alive = {}) {
    Actions all;
    for (absl::Duration passed; passed < time; passed += absl::Milliseconds(500)) {
      Pass(absl::Milliseconds(500));
      for (const std::string& worker : alive) Say(worker, v1::ConnectRequest());
      const Actions actions = Tick();
      all.insert(all.end(), actions.begin(), actions.end());
    }
    return all;
  }

  // Where the job runs now; empty while it waits.
  std::string WorkerOf(const std::string& job) const {
    const v1::Job* const found = dispatcher_.Find(job);
    if (found == nullptr || found->state() != v1::JOB_STATE_RUNNING) return "";
    return last_assigned_.at(job);
  }
  uint32_t AttemptOf(const std::string& job) const { return dispatcher_.Find(job)->attempt(); }
  // The state it ended with, if it has.
  std::optional<v1::JobState> Ended(const std::string& job) const {
    const auto found = ended_.find(job);
    return found == ended_.end() ? std::nullopt : std::optional(found->second.state());
  }

  // Keeps the account that WorkerOf and Ended go by. For events that have no verb here.
  Actions Noted(Actions actions) {
    for (const SendAssign& send : Of<SendAssign>(actions)) last_assigned_[send.assign.job_id()] = send.worker;
    for (const JobEndedAction& end : Of<JobEndedAction>(actions)) {
      EXPECT_TRUE(ended_.emplace(end.job.id(), end.job).second) << end.job.id() << " ended twice";
    }
    return actions;
  }

  Dispatcher dispatcher_;
  Moment now_ = {absl::UnixEpoch() + absl::Hours(1), absl::Hours(5)};
  std::map<std::string, v1::Job> ended_;

 private:
  std::map<std::string, std::string> last_assigned_;  // by job
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_DISPATCHER_RIG_H_
