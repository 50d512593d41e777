#include "server/dispatch/dispatcher.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

// A larger one could not be sent on: messages to workers end at 64 MiB.
constexpr size_t kMaxCheckpointBytes = 48 << 20;

v1::ImageRef RefOf(const Worker::PictureKey& key) {
  v1::ImageRef ref;
  ref.set_job_id(key.job);
  ref.set_attempt(key.attempt);
  ref.set_image_index(key.image);
  return ref;
}

// Reasons that lie with the worker or its device, not with the job.
bool IsAboutTheWorker(const absl::Status& error) {
  return absl::IsResourceExhausted(error) || absl::IsFailedPrecondition(error) || absl::IsInternal(error) ||
         absl::IsDataLoss(error);
}

}  // namespace

// --- Jobs.

Actions Dispatcher::OnSubmit(const v1::Job& job, double rows, const std::set<uint32_t>& images_done,
                             const Moment& now) {
  const auto [entry, added] = jobs_.try_emplace(job.id(), job, rows, images_done);
  ActiveJob& active = entry->second;
  Actions actions;
  if (active.AllDone()) {
    End(job.id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
    return actions;
  }
  queue_.Push(ToQueued(active));
  unsettled_ = true;
  Settle(now, actions);
  return actions;
}

Actions Dispatcher::OnCancel(const std::string& id, const absl::Status& reason, const Moment& now) {
  Actions actions;
  if (jobs_.count(id) == 0) return actions;
  const bool cancelled = absl::IsCancelled(reason);
  End(id, cancelled ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_FAILED, reason, now, actions);
  Settle(now, actions);
  return actions;
}

void Dispatcher::Stop(ActiveJob& active, const Moment& now, Actions& actions) {
  const auto worker = workers_.find(active.worker);
  if (worker == workers_.end() || active.outstanding.empty()) return;
  worker->second.Stop(active.id(), active.job.attempt(), now);
  SendCancel send{.worker = active.worker};
  send.cancel.set_job_id(active.id());
  send.cancel.set_attempt(active.job.attempt());
  actions.push_back(std::move(send));
}

void Dispatcher::Requeue(ActiveJob& active, const std::string& reason, bool lost, const Moment& now,
                         Actions& actions) {
  if (lost) active.NoteLoss();
  if (active.losses() >= options_.max_losses) {
    End(active.id(), v1::JOB_STATE_FAILED,
        MakeError(
            absl::StatusCode::kInternal,
            absl::StrCat("the job lost its worker ", active.losses(), " times in a row without progress"),
            "WORKER_LOST", {{"attempts", absl::StrCat(active.job.attempt())}}),
        now, actions);
    return;
  }
  Stop(active, now, actions);
  const std::string worker = active.worker;
  active.EndAttempt();
  queue_.PushToHead(ToQueued(active));
  if (active.failures() > 0) failed_once_.insert(active.id());
  unsettled_ = true;
  actions.push_back(JobRequeuedAction{active.job, worker, reason});
}

void Dispatcher::End(const std::string& id, v1::JobState state, const absl::Status& error, const Moment& now,
                     Actions& actions) {
  const auto found = jobs_.find(id);
  ActiveJob& active = found->second;
  queue_.Remove(id);
  failed_once_.erase(id);
  reservations_.erase(id);
  if (active.running()) Stop(active, now, actions);
  active.job.set_state(state);
  *active.job.mutable_end_time() = ToTimestamp(now.wall);
  if (!error.ok()) *active.job.mutable_error() = ToProto(error);
  actions.push_back(JobEndedAction{std::move(active.job)});
  jobs_.erase(found);
  unsettled_ = true;
}

// --- Workers come and go.

absl::Status Dispatcher::CheckName(const v1::Register& registration) const {
  const auto found = workers_.find(registration.name());
  if (found == workers_.end()) return absl::OkStatus();
  const std::string& instance = found->second.registration().instance();
  if (instance.empty() || registration.instance().empty() || instance == registration.instance()) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("another worker named \"", registration.name(), "\" is connected (device ",
                                Printable(found->second.registration().device(), 40),
                                "): give each worker a name of its own with --name, or stop the other"),
                   "WORKER_NAME_TAKEN", {{"worker", registration.name()}});
}

Actions Dispatcher::OnWorkerConnected(const v1::Register& registration, const Moment& now) {
  Actions actions;
  LoseWorker(registration.name(), now, actions);
  workers_.try_emplace(registration.name(), registration, now);
  Settle(now, actions);
  return actions;
}

Actions Dispatcher::OnWorkerLost(const std::string& worker, const Moment& now) {
  Actions actions;
  LoseWorker(worker, now, actions);
  Settle(now, actions);
  return actions;
}

void Dispatcher::LoseWorker(const std::string& name, const Moment& now, Actions& actions) {
  const auto found = workers_.find(name);
  if (found == workers_.end()) return;
  std::set<std::string> orphans;
  for (const auto& [key, picture] : found->second.running()) {
    const auto job = jobs_.find(key.job);
    if (job != jobs_.end() && job->second.worker == name && job->second.job.attempt() == key.attempt) {
      orphans.insert(key.job);
    }
  }
  std::set<std::string> models;
  for (const v1::Model& model : found->second.registration().models()) models.insert(model.name());
  workers_.erase(found);
  for (const std::string& model : models) UpdatePrice(model);
  for (const std::string& id : orphans) Requeue(jobs_.at(id), "its worker was lost", true, now, actions);
  unsettled_ = true;
}

// --- What workers say.

Actions Dispatcher::OnWorkerMessage(const std::string& name, const v1::ConnectRequest& message,
                                    const Moment& now) {
  Actions actions;
  const auto found = workers_.find(name);
  if (found == workers_.end()) return actions;
  Worker& worker = found->second;
  worker.Hear(now);
  switch (message.message_case()) {
    case v1::ConnectRequest::kCapacity:
      OnCapacity(worker, message.capacity());
      break;
    case v1::ConnectRequest::kImageStarted:
      OnStarted(worker, message.image_started(), now, actions);
      break;
    case v1::ConnectRequest::kImageProgress:
      OnProgress(worker, message.image_progress(), now);
      break;
    case v1::ConnectRequest::kImageCheckpoint: {
      const v1::ImageCheckpoint& checkpoint = message.image_checkpoint();
      OnCheckpoint(worker, checkpoint.image(), checkpoint.step(), checkpoint.data());
      break;
    }
    case v1::ConnectRequest::kImageResult:
      OnResult(worker, message.image_result().image(), now, actions);
      break;
    case v1::ConnectRequest::kImageFailure:
      OnFailure(worker, message.image_failure().image(), FromProto(message.image_failure().error()), now,
                actions);
      break;
    case v1::ConnectRequest::kImageCancelled:
      // Nobody told it to, if it is still the newest attempt: then it is a failure like any other.
      OnFailure(worker, message.image_cancelled().image(),
                MakeError(absl::StatusCode::kInternal, "the worker stopped the picture unasked", "ENGINE"),
                now, actions);
      break;
    case v1::ConnectRequest::kImageHandedBack: {
      const v1::ImageHandedBack& handed = message.image_handed_back();
      OnCheckpoint(worker, handed.image(), handed.step(), handed.checkpoint());
      OnImageLeft(worker, handed.image(), now, actions);
      break;
    }
    case v1::ConnectRequest::kDraining:
      worker.SetDraining();
      unsettled_ = true;
      break;
    case v1::ConnectRequest::kRegister:
    case v1::ConnectRequest::kImagePreview:
    case v1::ConnectRequest::MESSAGE_NOT_SET:
      break;
  }
  Settle(now, actions);
  return actions;
}

bool Dispatcher::Holds(const std::string& worker, const v1::ImageRef& image) const {
  const auto found = jobs_.find(image.job_id());
  return found != jobs_.end() && found->second.IsHeldBy(worker, image);
}

bool Dispatcher::WantsBack(const std::string& worker, const v1::ImageRef& image) const {
  const auto found = jobs_.find(image.job_id());
  return found != jobs_.end() && workers_.count(worker) != 0 && found->second.Wants(worker, image);
}

Actions Dispatcher::OnResultBroughtBack(const std::string& name, const v1::ImageRef& image,
                                        const Moment& now) {
  Actions actions;
  ActiveJob& job = jobs_.at(image.job_id());
  workers_.at(name).Hear(now);
  job.NoteDone(image.image_index());
  if (job.AllDone()) {
    End(image.job_id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
  } else {  // there is less left to make
    queue_.Remove(image.job_id());
    queue_.PushToHead(ToQueued(job));
  }
  Settle(now, actions);
  return actions;
}

ActiveJob* Dispatcher::FindHeld(const std::string& worker, const v1::ImageRef& image) {
  return Holds(worker, image) ? &jobs_.at(image.job_id()) : nullptr;
}

void Dispatcher::OnCapacity(Worker& worker, const v1::Capacity& capacity) {
  const bool was_ready = worker.ready();
  const v1::Capacity before = worker.capacity();
  worker.SetCapacity(capacity);
  for (const v1::ModelSpeed& speed : capacity.speeds()) UpdatePrice(speed.model());
  unsettled_ |= !was_ready || before.max_images() != worker.capacity().max_images() ||
                before.loaded_models_size() != worker.capacity().loaded_models_size();
}

void Dispatcher::OnStarted(Worker& worker, const v1::ImageStarted& started, const Moment& now,
                           Actions& actions) {
  ActiveJob* const job = FindHeld(worker.name(), started.image());
  if (job == nullptr) return;
  if (Worker::Picture* const picture = worker.Find(KeyOf(started.image()))) {
    picture->started = true;
    picture->moved = now.steady;
  }
  if (job->start_reported) return;
  job->start_reported = true;
  actions.push_back(JobStartedAction{job->job, worker.name(), job->steps_at_start});
}

void Dispatcher::OnProgress(Worker& worker, const v1::ImageProgress& progress, const Moment& now) {
  ActiveJob* const job = FindHeld(worker.name(), progress.image());
  if (job == nullptr) return;
  const uint32_t index = progress.image().image_index();
  const uint32_t before = job->images()[index].step;
  job->NoteProgress(index, progress.step(), progress.steps());
  Worker::Picture* const picture = worker.Find(KeyOf(progress.image()));
  if (picture == nullptr || job->images()[index].step == before) return;
  picture->started = true;
  picture->moved = now.steady;
}

void Dispatcher::OnCheckpoint(Worker& worker, const v1::ImageRef& image, uint32_t step,
                              const std::string& data) {
  const auto job = jobs_.find(image.job_id());
  if (job == jobs_.end() || data.size() > kMaxCheckpointBytes) return;
  const Offer* const offer = worker.OfferOf(job->second.model());
  if (offer == nullptr) return;
  job->second.TakeCheckpoint(worker.name(), offer->revision(), image, step, data);
}

void Dispatcher::OnResult(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions) {
  if (ActiveJob* const job = FindHeld(worker.name(), image)) {
    worker.NoteSuccess(job->model());
    job->NoteDone(image.image_index());
    if (job->AllDone()) {
      job->outstanding.clear();
      End(image.job_id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
    }
  }
  OnImageLeft(worker, image, now, actions);
}

void Dispatcher::OnFailure(Worker& worker, const v1::ImageRef& image, const absl::Status& error,
                           const Moment& now, Actions& actions) {
  ActiveJob* const job = FindHeld(worker.name(), image);
  if (job == nullptr) return OnImageLeft(worker, image, now, actions);
  const uint32_t index = image.image_index();
  if (absl::IsDataLoss(error) && !job->images()[index].checkpoint.empty()) {
    job->DropCheckpoint(index);  // it is no good: from the start, then
    return OnImageLeft(worker, image, now, actions);
  }
  if (IsAboutTheWorker(error)) {
    if (!job->HasFailedOn(worker.name())) {
      worker.NoteFailure(job->model(), options_.failures_before_distrust, options_.distrust, now);
    }
    job->NoteFailure(worker.name(), error);
    trusted_again_ = std::min(trusted_again_, worker.TrustedAgain(now));
    const bool elsewhere = std::any_of(workers_.begin(), workers_.end(),
                                       [&](const auto& entry) { return MayTake(entry.second, *job); });
    if (elsewhere && job->failures() < options_.max_failures) return OnImageLeft(worker, image, now, actions);
  }
  job->outstanding.erase(index);
  End(image.job_id(), v1::JOB_STATE_FAILED, error, now, actions);
  OnImageLeft(worker, image, now, actions);
}

void Dispatcher::OnImageLeft(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions) {
  if (worker.Remove(KeyOf(image))) unsettled_ = true;
  ActiveJob* const job = FindHeld(worker.name(), image);
  if (job == nullptr) return;
  job->outstanding.erase(image.image_index());
  if (!job->outstanding.empty()) return;
  const std::string reason = job->HasFailedOn(worker.name()) ? absl::StrCat("its worker could not make it: ",
                                                                            job->last_failure().message())
                                                             : "its worker gave it back";
  Requeue(*job, reason, false, now, actions);
}

// --- Time.

Actions Dispatcher::OnTick(const Moment& now) {
  Actions actions;
  const absl::Duration unheard = now.steady - last_tick_.value_or(now.steady) - options_.late_tick;
  last_tick_ = now.steady;
  std::vector<std::string> silent;
  for (auto& [name, worker] : workers_) {
    if (unheard > absl::ZeroDuration()) worker.Forgive(unheard, now);
    if (worker.Silence(now) > options_.lease) silent.push_back(name);
  }
  for (const std::string& name : silent) {
    actions.push_back(DropWorker{name});
    LoseWorker(name, now, actions);
  }
  for (auto& [name, worker] : workers_) TakeFromStuck(worker, now, actions);
  EndLate(now, actions);
  if (now.steady >= trusted_again_) {
    trusted_again_ = absl::InfiniteDuration();
    for (const auto& [name, worker] : workers_) {
      trusted_again_ = std::min(trusted_again_, worker.TrustedAgain(now));
    }
    unsettled_ = true;
  }
  Settle(now, actions);
  return actions;
}

void Dispatcher::TakeFromStuck(Worker& worker, const Moment& now, Actions& actions) {
  const bool was_stuck = worker.stuck();
  const std::vector<Worker::Overdue> overdue = worker.FindOverdue(options_.progress, now);
  if (worker.stuck() && !was_stuck) {
    const auto hanging =
        std::find_if(overdue.begin(), overdue.end(), [](const auto& one) { return !one.waits; });
    actions.push_back(WorkerStuckAction{worker.name(), RefOf(hanging->key)});
    unsettled_ = true;
  }
  for (const Worker::Overdue& one : overdue) {
    ActiveJob* const job = FindHeld(worker.name(), RefOf(one.key));
    if (job == nullptr) continue;  // it had been told to stop already
    if (one.waits) job->avoid = worker.name();
    Requeue(*job, one.waits ? "its worker did not get to it" : "it made no progress", !one.waits, now,
            actions);
  }
}

void Dispatcher::EndLate(const Moment& now, Actions& actions) {
  std::vector<std::string> late;
  for (const auto& [id, job] : jobs_) {
    if (now.wall >= job.deadline) late.push_back(id);
  }
  for (const std::string& id : late) {
    const v1::Job& job = jobs_.at(id).job;
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

}  // namespace mind::server
