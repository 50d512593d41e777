#include "server/dispatch/dispatcher.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

// A larger one could not be sent on: messages to workers end at 64 MiB.
constexpr size_t kMaxCheckpointBytes = 48 << 20;

// Reasons that lie with the worker or its device, not with the job.
bool IsAboutTheWorker(const absl::Status& error) {
  return absl::IsResourceExhausted(error) || absl::IsFailedPrecondition(error) || absl::IsInternal(error) ||
         absl::IsDataLoss(error);
}

}  // namespace

// --- Jobs.

Actions Dispatcher::OnSubmit(const v1::Job& job, double rows, const std::set<uint32_t>& images_done,
                             const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  ActiveJob& active = **jobs_.insert(std::make_unique<ActiveJob>(job, rows, images_done)).first;
  if (active.AllDone()) {
    End(job.id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
    return actions;
  }
  if (active.deadline != absl::InfiniteFuture()) deadlines_.Set(job.id(), active.deadline);
  active.offers = fleet_.OffersFor(active);
  queue_.Push(ToQueued(active));
  changed_.insert(active.model());
  Settle(now, actions);
  return actions;
}

Actions Dispatcher::OnCancel(const std::string& id, const absl::Status& reason, const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  if (!jobs_.contains(id)) return actions;
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
  const auto entry = jobs_.find(id);
  ActiveJob& job = **entry;
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
  const std::unique_ptr<ActiveJob> ended = std::move(jobs_.extract(entry).value());
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
  for (const std::string& model : fleet_.Add(registration, now)) {
    queue_.ForEach(model, [this](const std::string& id) {
      ActiveJob& job = **jobs_.find(id);
      job.offers = fleet_.OffersFor(job);
      queue_.SetOffers(id, job.offers);
    });
  }
  leases_.Set(registration.name(), now.steady + options_.lease);
  Settle(now, actions);
  return actions;
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
    const ActiveJob* const job = FindJob(key.job);
    if (job != nullptr && job->images()[key.image].attempt == key.attempt)
      orphans.emplace(key.job, key.attempt);
  }
  for (const v1::Model& model : worker->registration().models()) {
    hopes_.insert(model.name());
    if (prices_.Forget(name, model.name())) queue_.SetPrice(model.name(), *prices_.Find(model.name()));
  }
  leases_.Erase(name);
  overdue_.Erase(name);
  trust_.Erase(name);
  fleet_.Remove(name);
  for (const auto& [id, attempt] : orphans) {
    if (ActiveJob* const job = FindJob(id)) {
      EndAttempt(*job, attempt, "its worker was lost", true, now, actions);
    }
  }
}

// --- What workers say.

Actions Dispatcher::OnWorkerMessage(const std::string& name, const v1::ConnectRequest& message,
                                    const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  Worker* const found = fleet_.Find(name);
  if (found == nullptr) return actions;
  Worker& worker = *found;
  worker.Hear(now);
  switch (message.message_case()) {
    case v1::ConnectRequest::kCapacity:
      OnCapacity(worker, message.capacity(), now);
      break;
    case v1::ConnectRequest::kImageStarted:
      OnStarted(worker, message.image_started(), now, actions);
      break;
    case v1::ConnectRequest::kImageProgress:
      OnProgress(worker, message.image_progress(), now);
      break;
    case v1::ConnectRequest::kImagesProgress:
      for (const v1::ImageProgress& progress : message.images_progress().images())
        OnProgress(worker, progress, now);
      break;
    case v1::ConnectRequest::kImageCheckpoint: {
      const v1::ImageCheckpoint& checkpoint = message.image_checkpoint();
      OnCheckpoint(worker, checkpoint.image(), checkpoint.step(), checkpoint.data(), now);
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
      // Nobody told it to, if the attempt still has it: then it is a failure like any other.
      OnFailure(worker, message.image_cancelled().image(),
                MakeError(absl::StatusCode::kInternal, "the worker stopped the picture unasked", "ENGINE"),
                now, actions);
      break;
    case v1::ConnectRequest::kImageHandedBack: {
      const v1::ImageHandedBack& handed = message.image_handed_back();
      OnCheckpoint(worker, handed.image(), handed.step(), handed.checkpoint(), now);
      OnImageLeft(worker, handed.image(), now, actions);
      break;
    }
    case v1::ConnectRequest::kDraining:
      worker.SetDraining();
      fleet_.Refresh(worker, now);
      for (const v1::Model& model : worker.registration().models()) hopes_.insert(model.name());
      break;
    case v1::ConnectRequest::kRegister:
    case v1::ConnectRequest::kImagePreview:
    case v1::ConnectRequest::kImageStage:
    case v1::ConnectRequest::MESSAGE_NOT_SET:
      break;
  }
  Settle(now, actions);
  return actions;
}

bool Dispatcher::Holds(const std::string& worker, const v1::ImageRef& image) const {
  const auto found = jobs_.find(image.job_id());
  return found != jobs_.end() && (*found)->IsHeldBy(worker, image);
}

bool Dispatcher::WantsBack(const std::string& worker, const v1::ImageRef& image) const {
  const auto found = jobs_.find(image.job_id());
  return found != jobs_.end() && fleet_.Find(worker) != nullptr && (*found)->Wants(worker, image);
}

Actions Dispatcher::OnResultBroughtBack(const std::string& name, const v1::ImageRef& image,
                                        const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  ActiveJob& job = **jobs_.find(image.job_id());
  fleet_.Find(name)->Hear(now);
  const bool fresh = !job.images()[image.image_index()].begun;
  job.NoteDone(image.image_index());
  if (job.AllDone()) {
    End(job.id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
  } else if (fresh) {  // there is less left to make
    queue_.Drop(job.id());
  } else {
    Requeue(job, now);
  }
  Settle(now, actions);
  return actions;
}

ActiveJob* Dispatcher::FindJob(const std::string& id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->get();
}

ActiveJob* Dispatcher::FindHeld(const std::string& worker, const v1::ImageRef& image) {
  ActiveJob* const job = FindJob(image.job_id());
  return job != nullptr && job->IsHeldBy(worker, image) ? job : nullptr;
}

void Dispatcher::OnCapacity(Worker& worker, const v1::Capacity& capacity, const Moment& now) {
  worker.SetCapacity(capacity);
  fleet_.Refresh(worker, now);
  UpdatePrices(worker, capacity);
  if (worker.EngineHangs(options_.progress.stall)) overdue_.SetAtLatest(worker.name(), now.steady);
}

void Dispatcher::OnStarted(Worker& worker, const v1::ImageStarted& started, const Moment& now,
                           Actions& actions) {
  ActiveJob* const job = FindJob(started.image().job_id());
  ActiveJob::Attempt* const attempt =
      job == nullptr ? nullptr : job->FindHeld(worker.name(), started.image());
  if (attempt == nullptr) return;
  const Worker::PictureKey key = KeyOf(started.image());
  worker.NoteMoved(key, worker.Find(key)->left, now);
  if (attempt->start_reported) return;
  attempt->start_reported = true;
  actions.push_back(JobStartedAction{job->job, worker.name(), key.attempt, attempt->resumed_steps});
}

void Dispatcher::OnProgress(Worker& worker, const v1::ImageProgress& progress, const Moment& now) {
  ActiveJob* const job = FindHeld(worker.name(), progress.image());
  if (job == nullptr) return;
  const uint32_t index = progress.image().image_index();
  const uint32_t before = job->images()[index].step;
  job->NoteProgress(index, progress.step(), progress.steps());
  const uint32_t step = job->images()[index].step;
  if (step == before) return;
  const Worker::PictureKey key = KeyOf(progress.image());
  const Work left = job->WorkAfter(step);
  running_.Change(job->model(), job->job.priority(), worker.Find(key)->left, left);
  worker.NoteMoved(key, left, now);
}

void Dispatcher::OnCheckpoint(const Worker& worker, const v1::ImageRef& image, uint32_t step,
                              const std::string& data, const Moment& now) {
  ActiveJob* const job = FindJob(image.job_id());
  if (job == nullptr || data.size() > kMaxCheckpointBytes) return;
  const Offer* const offer = worker.OfferOf(job->model());
  if (offer == nullptr) return;
  job->TakeCheckpoint(worker.name(), offer->revision(), image, step, data);
  OnKept(*job, image.image_index(), now);
}

void Dispatcher::TakeKept(const std::string& id, uint32_t image, uint32_t step, const std::string& revision,
                          std::shared_ptr<const std::string> data, const Moment& given) {
  ActiveJob* const job = FindJob(id);
  if (job == nullptr) return;
  job->TakeKept(revision, image, step, std::move(data));
  OnKept(*job, image, Listening(given));
}

void Dispatcher::OnKept(ActiveJob& job, uint32_t image, const Moment& now) {
  // What waits of it has become less, or may go to fewer workers.
  const bool waits = image < job.images().size() && job.images()[image].waits();
  if (waits && queue_.Contains(job.id())) Requeue(job, now);
}

void Dispatcher::OnResult(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions) {
  ActiveJob* const job = FindHeld(worker.name(), image);
  if (job != nullptr) worker.NoteSuccess(job->model());  // its room counts again, if it was not trusted
  FreeRoom(worker, KeyOf(image), now);
  if (job == nullptr) return;
  job->NoteDone(image.image_index());
  CountRunning(*job);
  if (job->AllDone()) {
    End(job->id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
  } else {
    ReportIfGivenBack(*job, image.attempt(), actions);
  }
}

void Dispatcher::OnFailure(Worker& worker, const v1::ImageRef& image, const absl::Status& error,
                           const Moment& now, Actions& actions) {
  ActiveJob* const job = FindHeld(worker.name(), image);
  if (job == nullptr) return OnImageLeft(worker, image, now, actions);
  const uint32_t index = image.image_index();
  if (absl::IsDataLoss(error) && job->images()[index].checkpoint != nullptr) {
    job->DropCheckpoint(index);  // it is no good: from the start, then
    return OnImageLeft(worker, image, now, actions);
  }
  if (IsAboutTheWorker(error)) {
    if (!job->HasFailedOn(worker.name())) {
      worker.NoteFailure(job->model(), options_.failures_before_distrust, options_.distrust, now);
      if (!worker.Trusted(job->model(), now)) {
        trust_.SetAtLatest(worker.name(), worker.TrustedAgain(job->model()));
      }
    }
    job->NoteFailure(worker.name(), error);
    job->offers = fleet_.OffersFor(*job);
    const int failures = static_cast<int>(job->failed_on().size());
    if (fleet_.Able(*job) > 0 && failures < options_.max_failures) {
      return OnImageLeft(worker, image, now, actions);
    }
  }
  FreeRoom(worker, KeyOf(image), now);
  job->GiveBack(index);
  End(job->id(), v1::JOB_STATE_FAILED, error, now, actions);
}

void Dispatcher::OnImageLeft(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions) {
  ActiveJob* const job = FindHeld(worker.name(), image);
  FreeRoom(worker, KeyOf(image), now);
  if (job == nullptr) return;
  job->GiveBack(image.image_index());
  CountRunning(*job);
  Requeue(*job, now);
  ReportIfGivenBack(*job, image.attempt(), actions);
}

void Dispatcher::ReportIfGivenBack(const ActiveJob& job, uint32_t number, Actions& actions) {
  const ActiveJob::Attempt& attempt = job.attempts().at(number);
  if (!attempt.outstanding.empty() || !attempt.gave_back) return;
  const std::string reason = job.HasFailedOn(attempt.worker) ? absl::StrCat("its worker could not make it: ",
                                                                            job.last_failure().message())
                                                             : "its worker gave it back";
  actions.push_back(JobRequeuedAction{job.job, attempt.worker, reason});
}

void Dispatcher::FreeRoom(Worker& worker, const Worker::PictureKey& key, const Moment& now) {
  const Worker::Picture* const picture = worker.Find(key);
  if (picture == nullptr) return;
  running_.Remove(picture->model, picture->priority, picture->left);
  EndRunning(picture->tenant);
  worker.Remove(key, now);
  fleet_.Refresh(worker, now);
}

}  // namespace mind::server
