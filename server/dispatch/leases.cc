// What time brings: silence, standstill, deadlines.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/dispatch/dispatcher.h"

namespace mind::server {
namespace {

// Tenants with held jobs that are looked at in a tick.
constexpr size_t kReviewedAtOnce = 16;

}  // namespace

Actions Dispatcher::OnTick(const Moment& given) {
  const absl::Duration unheard = given.steady - last_tick_.value_or(given.steady) - options_.late_tick;
  last_tick_ = given.steady;
  deaf_ += std::max(unheard, absl::ZeroDuration());
  const Moment now = Listening(given);
  Actions actions;
  DropSilent(now, actions);
  TakeFromStuck(now, actions);
  EndLate(now, actions);
  GiveUpRevisions(now);
  for (const std::string& name : trust_.TakeDue(now.steady)) {
    Worker* const worker = fleet_.Find(name);
    if (worker == nullptr) continue;
    fleet_.Refresh(*worker, now);
    for (const v1::Model& model : worker->registration().models()) {
      if (worker->Trusted(model.name(), now)) continue;
      trust_.SetAtLatest(name, worker->TrustedAgain(model.name()));
    }
  }
  queue_.Advance(now.wall);
  ReviewHeld();
  Settle(now, actions);
  return actions;
}

void Dispatcher::ReviewHeld() {
  for (size_t left = std::min(queue_.holding(), kReviewedAtOnce); left > 0 && queue_.holding() > 0; --left) {
    reviewed_ = queue_.HoldingAfter(reviewed_);
    ReleaseHeld(reviewed_);
  }
}

void Dispatcher::DropSilent(const Moment& now, Actions& actions) {
  for (const std::string& name : leases_.TakeDue(now.steady)) {
    const Worker* const worker = fleet_.Find(name);
    if (worker == nullptr) continue;
    const absl::Duration end = worker->last_heard() + options_.lease;
    if (now.steady <= end) {
      leases_.Set(name, end);
      continue;
    }
    actions.push_back(DropWorker{name});
    LoseWorker(name, now, actions);
  }
}

void Dispatcher::TakeFromStuck(const Moment& now, Actions& actions) {
  for (const std::string& name : overdue_.TakeDue(now.steady)) {
    Worker* const worker = fleet_.Find(name);
    if (worker == nullptr || worker->running().empty()) continue;
    TakeFromStuck(*worker, now, actions);
    overdue_.SetAtLatest(name, worker->NextOverdue(options_.progress, now));
  }
}

void Dispatcher::TakeFromStuck(Worker& worker, const Moment& now, Actions& actions) {
  const bool was_stuck = worker.stuck();
  const std::vector<Worker::Overdue> overdue = worker.FindOverdue(options_.progress, now);
  if (overdue.empty()) return;
  const auto ref = [](const Worker::PictureKey& key) {
    v1::ImageRef image;
    image.set_job_id(key.job);
    image.set_attempt(key.attempt);
    image.set_image_index(key.image);
    return image;
  };
  if (worker.stuck() && !was_stuck) {
    const auto hanging =
        std::find_if(overdue.begin(), overdue.end(), [](const auto& one) { return !one.waits; });
    actions.push_back(WorkerStuckAction{worker.name(), ref(hanging->key)});
    for (const v1::Model& model : worker.registration().models()) hopes_.insert(model.name());
  }
  fleet_.Refresh(worker, now);
  for (const Worker::Overdue& one : overdue) {
    ActiveJob* const job = FindHeld(worker.name(), ref(one.key));
    if (job == nullptr) continue;  // it had been told to stop already
    if (one.waits) job->Avoid(worker.name());
    EndAttempt(*job, one.key.attempt, one.waits ? "its worker did not get to it" : "it made no progress",
               !one.waits, now, actions);
  }
}

void Dispatcher::EndLate(const Moment& now, Actions& actions) {
  for (const std::string& id : deadlines_.TakeDue(now.wall)) {
    const v1::Job& job = jobs_.Find(id)->job;
    const absl::Time created = FromTimestamp(job.create_time());
    const absl::Time started = job.has_start_time() ? FromTimestamp(job.start_time()) : now.wall;
    End(id, v1::JOB_STATE_FAILED,
        MakeError(
            absl::StatusCode::kDeadlineExceeded,
            absl::StrCat("the deadline passed after ", job.steps_done(), " of ", job.steps_total(), " steps"),
            "DEADLINE_EXCEEDED",
            {{"queuedMs", absl::StrCat(absl::ToInt64Milliseconds(started - created))},
             {"stepsDone", absl::StrCat(job.steps_done())},
             {"stepsTotal", absl::StrCat(job.steps_total())}}),
        now, actions);
  }
}

void Dispatcher::GiveUpRevisions(const Moment& now) {
  for (const std::string& id : revisions_.TakeDue(now.steady)) {
    ActiveJob* const job = jobs_.Find(id);
    if (job == nullptr || !queue_.Contains(id)) continue;
    if (!job->running() && fleet_.Able(*job) == 0) {
      job->ForgetRevision();
      Requeue(*job, now);
    } else {
      revisions_.Set(id, now.steady + options_.revision_patience);
    }
  }
}

}  // namespace mind::server
