#include "server/dispatch/dispatcher.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::server {

// --- Jobs.

Actions Dispatcher::OnSubmit(const v1::Job& job, double rows, const std::set<uint32_t>& images_done,
                             const Moment& given, double reference_megapixels) {
  const Moment now = Listening(given);
  Actions actions;
  ActiveJob& active = jobs_.Insert(std::make_unique<ActiveJob>(job, rows, reference_megapixels, images_done));
  if (active.AllDone()) {
    End(job.id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
    return actions;
  }
  if (job.has_deadline()) deadlines_.Set(job.id(), active.Deadline());
  active.offers = fleet_.OffersFor(active);
  queue_.Push(ToQueued(active));
  changed_.insert(active.model());
  Settle(now, actions);
  return actions;
}

Actions Dispatcher::OnCancel(const std::string& id, const absl::Status& reason, const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  if (jobs_.Find(id) == nullptr) return actions;
  const bool cancelled = absl::IsCancelled(reason);
  End(id, cancelled ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_FAILED, reason, now, actions);
  Settle(now, actions);
  return actions;
}

void Dispatcher::Requeue(ActiveJob& job, const Moment& now) {
  job.offers = fleet_.OffersFor(job);
  queue_.SetReturned(ToQueued(job), job.returned());
  const bool waits = queue_.Contains(job.id());
  if (waits) {
    queue_.SetOffers(job.id(), job.offers);
    changed_.insert(job.model());
    if (!job.revision().empty()) {
      revisions_.SetAtLatest(job.id(), now.steady + options_.revision_patience);
    }
    if (!job.failed_on().empty()) failed_[job.model()].insert(job.id());
  }
}

void Dispatcher::Stop(const ActiveJob& job, uint32_t number, const Moment& now, Actions& actions) {
  const ActiveJob::Attempt& attempt = job.attempts().at(number);
  Worker* const worker = fleet_.Find(attempt.worker);
  if (worker == nullptr || attempt.outstanding.empty()) return;
  for (const uint32_t image : attempt.outstanding) {
    const Worker::PictureKey key{job.id(), number, image};
    running_.Change(job.model(), job.job.priority(), worker->Find(key)->left, Work());
    worker->NoteStopping(key, now);
  }
  overdue_.SetAtLatest(worker->name(), now.steady + options_.progress.stall);
  SendCancel send{.worker = worker->name()};
  send.cancel.set_job_id(job.id());
  send.cancel.set_attempt(number);
  actions.push_back(std::move(send));
}

void Dispatcher::EndAttempt(ActiveJob& job, uint32_t number, const std::string& reason, bool lost,
                            const Moment& now, Actions& actions) {
  if (lost) job.NoteLoss(number);
  if (job.losses() >= options_.max_losses) {
    End(job.id(), v1::JOB_STATE_FAILED,
        MakeError(absl::StatusCode::kInternal,
                  absl::StrCat("the job lost its worker ", job.losses(), " times in a row without progress"),
                  "WORKER_LOST", {{"attempts", absl::StrCat(job.job.attempt())}}),
        now, actions);
    return;
  }
  Stop(job, number, now, actions);
  const ActiveJob::Attempt& attempt = job.attempts().at(number);
  const std::set<uint32_t> images = attempt.outstanding;
  for (const uint32_t image : images) job.GiveBack(image);
  CountRunning(job);
  Requeue(job, now);
  actions.push_back(JobRequeuedAction{job.job, attempt.worker, reason});
}

void Dispatcher::CountRunning(ActiveJob& job) {
  if (job.running() == job.counted_running) return;
  job.counted_running = job.running();
  running_jobs_ += job.running() ? 1 : -1;
  running_.CountJob(job.model(), job.running() ? 1 : -1);
}

void Dispatcher::EndRunning(const std::string& tenant) {
  tenants_.End(tenant);
  ReleaseHeld(tenant);
}

std::set<std::string> Dispatcher::ReleaseHeld(const std::string& tenant) {
  if (queue_.holding() == 0 || !tenants_.Has(tenant)) return {};
  std::set<std::string> models = queue_.Release(tenant);
  changed_.insert(models.begin(), models.end());
  return models;
}

void Dispatcher::End(const std::string& id, v1::JobState state, const absl::Status& error, const Moment& now,
                     Actions& actions) {
  ActiveJob& job = *jobs_.Find(id);
  queue_.Remove(id);
  ReleaseHeld(job.job.tenant());
  deadlines_.Erase(id);
  revisions_.Erase(id);
  ForgetFailed(job);
  fleet_.EndReservation(id, now);
  for (const auto& [number, attempt] : job.attempts()) Stop(job, number, now, actions);
  if (job.counted_running) {
    --running_jobs_;
    running_.CountJob(job.model(), -1);
  }
  job.job.set_state(state);
  *job.job.mutable_end_time() = ToTimestamp(now.wall);
  if (!error.ok()) *job.job.mutable_error() = ToProto(error);
  const std::unique_ptr<ActiveJob> ended = jobs_.Take(id);
  actions.push_back(JobEndedAction{std::move(ended->job)});  // `id` may have been its own
}

void Dispatcher::ForgetFailed(const ActiveJob& job) {
  if (job.failed_on().empty()) return;
  const auto failed = failed_.find(job.model());
  if (failed == failed_.end()) return;
  failed->second.erase(job.id());
  if (failed->second.empty()) failed_.erase(failed);
}

// --- Workers come and go.

absl::Status Dispatcher::CheckName(const v1::Register& registration) const {
  const Worker* const connected = fleet_.Find(registration.name());
  if (connected == nullptr) return absl::OkStatus();
  const std::string& instance = connected->registration().instance();
  if (instance.empty() || registration.instance().empty() || instance == registration.instance()) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("another worker named \"", registration.name(), "\" is connected (device ",
                                Printable(connected->registration().device(), 40),
                                "): give each worker a name of its own with --name, or stop the other"),
                   "WORKER_NAME_TAKEN", {{"worker", registration.name()}});
}

Actions Dispatcher::OnWorkerConnected(const v1::Register& registration, const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  LoseWorker(registration.name(), now, actions);
  for (const std::string& model : fleet_.Add(registration, now)) FindOffersAnew(model);
  leases_.Set(registration.name(), now.steady + options_.lease);
  Settle(now, actions);
  return actions;
}

Actions Dispatcher::OnModelsOffered(const std::string& name,
                                    const google::protobuf::RepeatedPtrField<v1::Model>& models,
                                    const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  Worker* const worker = fleet_.Find(name);
  if (worker == nullptr) return actions;
  worker->Hear(now);
  const google::protobuf::RepeatedPtrField<v1::Model> before = worker->registration().models();
  for (const std::string& model : fleet_.Reoffer(*worker, models, now)) FindOffersAnew(model);
  for (const v1::Model& model : before) {
    if (worker->OfferOf(model.name()) == nullptr) ForgetModelOf(name, model.name());
  }
  Settle(now, actions);
  return actions;
}

void Dispatcher::FindOffersAnew(const std::string& model) {
  queue_.ForEach(model, [this](const std::string& id) {
    ActiveJob& job = *jobs_.Find(id);
    job.offers = fleet_.OffersFor(job);
    queue_.SetOffers(id, job.offers);
  });
}

void Dispatcher::ForgetModelOf(const std::string& worker, const std::string& model) {
  hopes_.insert(model);
  if (prices_.Forget(worker, model)) queue_.SetPrice(model, *prices_.Find(model));
}

Actions Dispatcher::OnWorkerLost(const std::string& worker, const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  LoseWorker(worker, now, actions);
  Settle(now, actions);
  return actions;
}

void Dispatcher::LoseWorker(const std::string& name, const Moment& now, Actions& actions) {
  const Worker* const worker = fleet_.Find(name);
  if (worker == nullptr) return;
  std::set<std::pair<std::string, uint32_t>> orphans;
  for (const auto& [key, picture] : worker->running()) {
    running_.Remove(picture.model, picture.priority, picture.left);
    EndRunning(picture.tenant);
    const ActiveJob* const job = jobs_.Find(key.job);
    if (job != nullptr && job->images()[key.image].attempt == key.attempt)
      orphans.emplace(key.job, key.attempt);
  }
  for (const v1::Model& model : worker->registration().models()) ForgetModelOf(name, model.name());
  leases_.Erase(name);
  overdue_.Erase(name);
  trust_.Erase(name);
  fleet_.Remove(name);
  for (const auto& [id, attempt] : orphans) {
    if (ActiveJob* const job = jobs_.Find(id)) {
      EndAttempt(*job, attempt, "its worker was lost", true, now, actions);
    }
  }
}

}  // namespace mind::server
