// Clients: each wants one job, asks until it has it, and follows it to its end; some change their mind.
#ifndef MIND_TESTS_UNIT_SIMULATION_FRONTS_CLIENT_H_
#define MIND_TESTS_UNIT_SIMULATION_FRONTS_CLIENT_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/unit/server/service_rig.h"
#include "tests/unit/simulation/fronts/front.h"

namespace mind::server::simulated {

class Client {
 public:
  Client(Fronts& fronts, size_t number) : fronts_(fronts), course_(fronts.course()) {
    caller_.tenant = "t" + std::to_string(number % 3);
    request_ = SmallRequest("m", 1 + course_.Pick(3));
    request_.mutable_spec()->set_steps(10 + 5 * course_.Pick(10));
    request_.set_request_id("r" + std::to_string(number));
    changes_its_mind_ = course_.Chance(0.1);
  }

  bool done() const { return completed_; }

  void GoOn() {
    if (completed_) return;
    if (job_.empty()) return Submit();
    if (changes_its_mind_ && !cancelled_ && Waits(cancelling_)) Cancel();
    watch_ ? Listen() : Watch();
  }

 private:
  // A question whose answer is not waited for for ever.
  struct Question {
    bool open = false;
    absl::Duration asked;
  };

  // Whether it is time to ask, and the front that leads as far as is known.
  bool Waits(const Question& question) const {
    return !question.open || course_.now() - question.asked > absl::Seconds(10);
  }
  std::optional<size_t> Ask(Question& question) {
    if (!Waits(question)) return std::nullopt;
    const std::optional<size_t> leader = fronts_.Dial();
    if (leader) question = {true, course_.now()};
    return leader;
  }

  void Submit() {
    if (!course_.calm() && !course_.Chance(0.3)) return;
    const std::optional<size_t> leader = Ask(submitting_);
    if (!leader) return;
    fronts_.Reach(*leader, [this](Front& front) {
      front.seat().Submit(PrepareSubmission(request_), caller_, std::nullopt,
                          [this](absl::StatusOr<v1::Job> job) {
                            course_.Later([this, job = std::move(job)] { OnSubmitted(job); });
                          });
    });
  }
  void OnSubmitted(const absl::StatusOr<v1::Job>& job) {
    submitting_.open = false;
    if (!job.ok()) return;
    if (!job_.empty() && job_ != job->id()) course_.Violated("one request has made two jobs");
    job_ = job->id();
  }

  void Cancel() {
    if (!course_.Chance(0.05)) return;
    const std::optional<size_t> leader = Ask(cancelling_);
    if (!leader) return;
    tried_to_cancel_ = true;
    fronts_.Reach(*leader, [this](Front& front) {
      fronts_.database().account().Spoil(front.term());
      front.seat().Cancel(job_, caller_, CancelledByRequest(job_),
                          [this](const absl::StatusOr<v1::Job>& job) {
                            course_.Later([this, cancelled = job.ok()] {
                              cancelling_.open = false;
                              cancelled_ = cancelled_ || cancelled;
                            });
                          });
    });
  }

  void Watch() {
    const std::optional<size_t> leader = Ask(watching_);
    if (!leader) return;
    fronts_.Reach(*leader, [this, index = *leader](Front& front) {
      front.seat().Watch(
          job_, {.after_sequence = last_sequence_, .front = WatchStart::Front{.name = "c"}}, caller_, [] {},
          [this, reference = fronts_.Reference(index)](const absl::StatusOr<WatchId>& watch) {
            watching_.open = false;
            if (absl::IsNotFound(watch.status())) course_.Violated("an acknowledged job is unknown");
            if (!watch.ok() || watch_) return;
            watch_ = *watch;
            watched_at_ = reference;
          });
    });
  }
  void Listen() {
    const std::shared_ptr<Front> front = watched_at_.lock();
    if (front == nullptr) return watch_.reset();
    if (front->stopped()) return;
    for (;;) {
      const WatchNews news = front->seat().Next(*watch_);
      if (news.event != nullptr) {
        Hear(*news.event);
        continue;
      }
      if (!news.end) return;
      if (news.end->ok() && !completed_) course_.Violated("a watch ended without the job's end");
      front->seat().Unwatch(*watch_);
      return watch_.reset();
    }
  }

  void Hear(const v1::JobEvent& event) {
    if (event.sequence() <= last_sequence_) course_.Violated("numbers of events do not rise");
    last_sequence_ = event.sequence();
    if (event.has_image() && !pictures_.insert(event.image().image_index()).second) {
      course_.Violated("a picture is told twice");
    }
    if (event.has_completed()) HearEnd(event.completed().job());
  }
  void HearEnd(const v1::Job& job) {
    if (completed_) course_.Violated("an end is told twice");
    completed_ = true;
    if (job.state() == v1::JOB_STATE_CANCELLED) {
      if (!tried_to_cancel_) course_.Violated("a job is cancelled by nobody");
    } else {
      if (job.state() != v1::JOB_STATE_SUCCEEDED) course_.Violated("a job fails");
      if (cancelled_) course_.Violated("a job goes on that has been cancelled");
      if (pictures_.size() != request_.spec().image_count()) course_.Violated("a picture is missing");
    }
    const StoredJob* const stored = fronts_.database().content().Look(job_);
    if (stored == nullptr || !stored->job.has_end_time())
      course_.Violated("an end is told that is not durable");
  }

  Fronts& fronts_;
  Course& course_;
  Caller caller_;
  v1::JobRequest request_;
  bool changes_its_mind_ = false;

  Question submitting_, cancelling_, watching_;
  std::string job_;  // acknowledged
  bool tried_to_cancel_ = false;
  bool cancelled_ = false;  // that is acknowledged
  std::weak_ptr<Front> watched_at_;
  std::optional<WatchId> watch_;
  uint64_t last_sequence_ = 0;
  std::set<uint32_t> pictures_;
  bool completed_ = false;
};

}  // namespace mind::server::simulated

#endif  // MIND_TESTS_UNIT_SIMULATION_FRONTS_CLIENT_H_
