// What of the dispatcher hears workers: progress, checkpoints, results, failures.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/dispatch/dispatcher.h"

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
    case v1::ConnectRequest::kModelsOffered:
    case v1::ConnectRequest::kImagePreview:
    case v1::ConnectRequest::kImageStage:
    case v1::ConnectRequest::MESSAGE_NOT_SET:
      break;
  }
  Settle(now, actions);
  return actions;
}

bool Dispatcher::Holds(const std::string& worker, const v1::ImageRef& image) const {
  const ActiveJob* const job = jobs_.Find(image.job_id());
  return job != nullptr && job->IsHeldBy(worker, image);
}

bool Dispatcher::WantsBack(const std::string& worker, const v1::ImageRef& image) const {
  const ActiveJob* const job = jobs_.Find(image.job_id());
  return job != nullptr && fleet_.Find(worker) != nullptr && job->Wants(worker, image);
}

Actions Dispatcher::OnResultBroughtBack(const std::string& name, const v1::ImageRef& image,
                                        const Moment& given) {
  const Moment now = Listening(given);
  Actions actions;
  ActiveJob& job = *jobs_.Find(image.job_id());
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

ActiveJob* Dispatcher::FindHeld(const std::string& worker, const v1::ImageRef& image) {
  ActiveJob* const job = jobs_.Find(image.job_id());
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
  ActiveJob* const job = jobs_.Find(started.image().job_id());
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
  ActiveJob* const job = jobs_.Find(image.job_id());
  if (job == nullptr || data.size() > kMaxCheckpointBytes) return;
  // What runs there was begun with the weights of then, whatever the worker offers by now.
  const Worker::Picture* const held = worker.Find(KeyOf(image));
  const Offer* const offer = worker.OfferOf(job->model());
  if (held == nullptr && offer == nullptr) return;
  job->TakeCheckpoint(worker.name(), held != nullptr ? held->revision : offer->revision(), image, step, data);
  OnKept(*job, image.image_index(), now);
}

void Dispatcher::TakeKept(const std::string& id, uint32_t image, uint32_t step, const std::string& revision,
                          std::shared_ptr<const std::string> data, const Moment& given) {
  ActiveJob* const job = jobs_.Find(id);
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
  // What waits of a tenant of whom nothing runs may go where there is no room for others.
  if (tenants_.Running(picture->tenant) == 0) changed_.insert(picture->model);
  worker.Remove(key, now);
  fleet_.Refresh(worker, now);
}

}  // namespace mind::server
