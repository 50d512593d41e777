// The half of the service that faces the workers: what they report, and carrying out what the dispatcher
// decides.
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/check_report.h"
#include "server/generation/outcome.h"
#include "server/generation/public_job.h"
#include "server/generation/service.h"

namespace mind::server {
namespace {

double SecondsBetween(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  return absl::ToDoubleSeconds(FromTimestamp(to) - FromTimestamp(from));
}

}  // namespace

absl::Status GenerationService::OnRegister(const std::shared_ptr<WorkerSession>& session,
                                           const v1::Register& registration) {
  if (absl::Status status = ValidateTenant(registration.name()); !status.ok()) {
    return InvalidField("register.name",
                        absl::StrCat("\"", Printable(registration.name()), "\" is not a worker's name"));
  }
  if (absl::Status status = ModelCatalog::Check(registration); !status.ok()) return status;
  if (absl::Status status = dispatcher_.CheckName(registration); !status.ok()) return status;
  const auto previous = sessions_.find(registration.name());
  if (previous != sessions_.end()) {
    worker_names_.erase(previous->second.get());
    previous->second->Close(absl::AbortedError("another worker of the same name has connected"));
  }
  ledger_.SaveModels(catalog_.Offer(registration, Now()));
  sessions_[registration.name()] = session;
  worker_names_[session.get()] = registration.name();
  LogInfo("worker connected", {{"worker", registration.name()},
                               {"device", registration.device()},
                               {"models", registration.models_size()},
                               {"version", registration.version()}});
  CarryOut(dispatcher_.OnWorkerConnected(registration, Present()));
  v1::ConnectResponse response;
  response.mutable_registered()->set_lease_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.dispatcher.lease)));
  session->Send(std::move(response));
  return absl::OkStatus();
}

void GenerationService::OnWorkerMessage(const WorkerSession* session, v1::ConnectRequest message) {
  const auto name = worker_names_.find(session);
  if (name == worker_names_.end()) return;  // replaced or dropped; its stream is closing
  const std::string worker = name->second;
  const v1::ImageRef finished = message.image_result().image();
  bool taken = message.has_image_result();
  const bool brought_back = taken && dispatcher_.WantsBack(worker, finished);
  RefuseBadResult(worker, message);
  if (message.has_image_result() && !AcceptImage(worker, message.image_result())) {
    // A picture that nobody has now but its worker: as if it had given it back, to be made again from its
    // checkpoint once the store can be written.
    taken = false;
    v1::ConnectRequest handed_back;
    *handed_back.mutable_image_handed_back()->mutable_image() = finished;
    message = std::move(handed_back);
  }
  if (taken) {
    v1::ConnectResponse response;
    *response.mutable_taken()->mutable_image() = finished;
    sessions_.at(worker)->Send(std::move(response));
  }
  const Actions actions = brought_back && message.has_image_result()
                              ? dispatcher_.OnResultBroughtBack(worker, finished, Present())
                              : dispatcher_.OnWorkerMessage(worker, message, Present());
  if (message.has_image_progress() && dispatcher_.Holds(worker, message.image_progress().image())) {
    PublishProgress(message.image_progress());
  }
  if (message.has_image_preview() && dispatcher_.Holds(worker, message.image_preview().image()) &&
      IsPreview(message.image_preview())) {
    PublishPreview(std::move(*message.mutable_image_preview()));
  }
  CarryOut(actions);
}

void GenerationService::RefuseBadResult(const std::string& worker, v1::ConnectRequest& message) const {
  if (!message.has_image_result()) return;
  const v1::ImageRef image = message.image_result().image();
  if (!dispatcher_.Holds(worker, image) && !dispatcher_.WantsBack(worker, image)) return;
  const absl::Status bad = CheckResult(dispatcher_.Find(image.job_id())->spec(), message.image_result());
  if (bad.ok()) return;
  *message.mutable_image_failure()->mutable_image() = image;
  *message.mutable_image_failure()->mutable_error() = ToProto(bad);
}

bool GenerationService::AcceptImage(const std::string& worker, const v1::ImageResult& result) {
  const v1::ImageRef& ref = result.image();
  if (!dispatcher_.AcceptsResult(worker, ref) && !dispatcher_.WantsBack(worker, ref)) {
    metrics_.late_results.Increment();
    LogWarning("late result refused",
               {{"job", Printable(ref.job_id())}, {"attempt", ref.attempt()}, {"worker", worker}});
    return true;
  }
  const uint64_t sequence = events_.Reserve(ref.job_id());
  const absl::Status stored =
      ledger_.Note(store_.InsertImage(ref.job_id(), {.index = ref.image_index(),
                                                     .seed = result.seed(),
                                                     .media_type = result.media_type(),
                                                     .data = result.data(),
                                                     .sequence = sequence}));
  // At once, so that the picture is not begun again while that is so.
  dispatcher_.SetPlacing(serving());
  if (!stored.ok()) return false;
  metrics_.images[dispatcher_.Find(ref.job_id())->spec().model()].Increment();
  v1::JobEvent event;
  event.mutable_image()->set_image_index(ref.image_index());
  events_.PublishAt(ref.job_id(), sequence, std::move(event));
  return true;
}

void GenerationService::OnWorkerClosed(const WorkerSession* session) {
  const auto found = worker_names_.find(session);
  if (found == worker_names_.end()) return;
  const std::string name = found->second;
  worker_names_.erase(found);
  sessions_.erase(name);
  catalog_.Withdraw(name, Now());
  const size_t running = dispatcher_.RunningImages(name);
  if (running > 0) metrics_.workers_lost.Increment();
  LogInfo("worker disconnected", {{"worker", name}, {"running_images", running}});
  CarryOut(dispatcher_.OnWorkerLost(name, Present()));
}

void GenerationService::PublishPreview(v1::ImagePreview preview) {
  const v1::Job& job = *dispatcher_.Find(preview.image().job_id());
  if (previewed_.insert(job.id()).second) {
    metrics_.first_preview_seconds[job.spec().model()].Observe(
        SecondsBetween(job.create_time(), ToTimestamp(Now())));
  }
  v1::JobEvent event;
  *event.mutable_preview() = std::move(*preview.mutable_preview());
  events_.Publish(job.id(), std::move(event));
}

void GenerationService::PublishProgress(const v1::ImageProgress& progress) {
  const v1::Job* const job = dispatcher_.Find(progress.image().job_id());
  v1::JobEvent event;
  event.mutable_progress()->set_image_index(progress.image().image_index());
  event.mutable_progress()->set_step(progress.step());
  event.mutable_progress()->set_steps(progress.steps());
  if (const auto remaining = dispatcher_.EstimatedRemaining(job->id())) {
    *event.mutable_progress()->mutable_estimated_remaining() = ToDuration(*remaining);
  }
  events_.Publish(job->id(), std::move(event));
}

void GenerationService::CarryOut(const Actions& actions) {
  for (const Action& action : actions) {
    if (const auto* const send = std::get_if<SendAssign>(&action)) {
      const v1::Job* const job = dispatcher_.Find(send->assign.job_id());
      if (job != nullptr) ledger_.Update(*job);
      const auto session = sessions_.find(send->worker);
      if (session == sessions_.end()) continue;
      v1::ConnectResponse response;
      *response.mutable_assign() = send->assign;
      session->second->Send(std::move(response));
    } else if (const auto* const cancel = std::get_if<SendCancel>(&action)) {
      const auto session = sessions_.find(cancel->worker);
      if (session == sessions_.end()) continue;
      v1::ConnectResponse response;
      *response.mutable_cancel() = cancel->cancel;
      session->second->Send(std::move(response));
    } else if (const auto* const drop = std::get_if<DropWorker>(&action)) {
      metrics_.lease_expirations.Increment();
      LogWarning("lease expired", {{"worker", drop->worker}});
      catalog_.Withdraw(drop->worker, Now());
      const auto session = sessions_.find(drop->worker);
      if (session == sessions_.end()) continue;
      worker_names_.erase(session->second.get());
      session->second->Close(
          absl::DeadlineExceededError("the worker was not heard for longer than its lease"));
      sessions_.erase(session);
    } else if (const auto* const stuck = std::get_if<WorkerStuckAction>(&action)) {
      metrics_.stalls.Increment();
      LogError("worker hangs", {{"worker", stuck->worker},
                                {"job", stuck->image.job_id()},
                                {"attempt", stuck->image.attempt()},
                                {"image", stuck->image.image_index()}});
    } else if (const auto* const started = std::get_if<JobStartedAction>(&action)) {
      const v1::Job& job = started->job;
      LogInfo("job started", {{"job", job.id()},
                              {"attempt", started->attempt},
                              {"worker", started->worker},
                              {"resumed_steps", started->resumed_steps}});
      if (started->resumed_steps > 0) metrics_.resumed.Increment();
      if (started->attempt == 1) {
        metrics_.queue_seconds[job.spec().model()].Observe(
            SecondsBetween(job.create_time(), job.start_time()));
      }
      v1::JobEvent event;
      event.mutable_started()->set_worker(started->worker);
      event.mutable_started()->set_attempt(started->attempt);
      event.mutable_started()->set_resumed_steps(started->resumed_steps);
      events_.Publish(job.id(), std::move(event));
    } else if (const auto* const requeued = std::get_if<JobRequeuedAction>(&action)) {
      metrics_.requeued.Increment();
      LogWarning("job requeued", {{"job", requeued->job.id()},
                                  {"attempt", requeued->job.attempt()},
                                  {"worker", requeued->worker},
                                  {"reason", requeued->reason},
                                  {"steps_kept", requeued->job.steps_done()}});
      // While others of its pictures are being made, it does not wait.
      if (requeued->job.state() != v1::JOB_STATE_QUEUED) continue;
      events_.Publish(requeued->job.id(), QueuedEvent(requeued->job));
    } else if (const auto* const ended = std::get_if<JobEndedAction>(&action)) {
      OnEnded(ended->job);
    }
  }
}

void GenerationService::OnEnded(const v1::Job& job) {
  ties_.Untie(job.id());
  previewed_.erase(job.id());
  ledger_
      .End(job, events_.Reserve(job.id()),
           [this](const v1::Job& ended, uint64_t sequence) { TellEnded(ended, sequence); })
      .IgnoreError();
}

void GenerationService::TellEnded(const v1::Job& job, uint64_t sequence) {
  metrics_.requests[OutcomeName(job.state())].Increment();
  metrics_.request_seconds[job.spec().model()].Observe(SecondsBetween(job.create_time(), job.end_time()));
  LogInfo("job ended", {{"job", job.id()},
                        {"attempt", job.attempt()},
                        {"outcome", OutcomeName(job.state())},
                        {"error", job.error().message()}});
  v1::JobEvent event;
  *event.mutable_completed()->mutable_job() = PublicJob(job);
  events_.PublishAt(job.id(), sequence, std::move(event));
}

}  // namespace mind::server
