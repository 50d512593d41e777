#include "server/generation/decisions.h"

#include <utility>
#include <vector>

#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/check_report.h"
#include "server/generation/outcome.h"
#include "server/generation/public_job.h"

namespace mind::server {
namespace {

double SecondsBetween(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  return absl::ToDoubleSeconds(FromTimestamp(to) - FromTimestamp(from));
}

// Of its work, 0 to 1.
double ShareDone(const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_SUCCEEDED || job.steps_total() == 0) return 1;
  return static_cast<double>(job.steps_done()) / job.steps_total();
}

}  // namespace

void Decisions::CarryOut(const Actions& actions) {
  for (const Action& action : actions) std::visit([this](const auto& one) { Do(one); }, action);
}

void Decisions::Do(const SendAssign& send) {
  const v1::Job* const job = state_.dispatcher.Find(send.assign.job_id());
  // Where the job has ended in the same breath the number of the attempt cannot be kept, and nothing must
  // leave that might be given out again.
  if (job == nullptr) return AnswerFor(send.worker, send.assign, std::nullopt);
  state_.ledger.Write(UpdateJob{*job});
  v1::Assign assign = send.assign;
  assign.set_traceparent(job->traceparent());
  assign.set_tracestate(job->tracestate());
  state_.traces.OnAssigned(*job, assign.attempt(), send.worker, state_.Now());
  state_.sessions.Assign(send.worker, WithUploads(send.worker, std::move(assign), job->spec()),
                         [this, worker = send.worker](const v1::Assign& assign, const absl::Status& why) {
                           LogError("cannot read the pictures of a request",
                                    {{"job", assign.job_id()}, {"error", std::string(why.message())}});
                           AnswerFor(worker, assign, why);
                         });
}

v1::Assign Decisions::WithUploads(const std::string& worker, v1::Assign assign,
                                  const v1::ImageSpec& spec) const {
  if (state_.options.objects == nullptr || !state_.sessions.Uploads(worker)) return assign;
  if (state_.options.moderator != nullptr) return assign;  // it is shown each picture before that is kept
  for (v1::AssignedImage& image : *assign.mutable_images()) {
    v1::ImageRef ref;
    ref.set_job_id(assign.job_id());
    ref.set_attempt(assign.attempt());
    ref.set_image_index(image.image_index());
    *image.mutable_upload() = state_.options.objects->Grant(UploadKey(ref), MediaTypeOf(spec.format()));
  }
  return assign;
}

void Decisions::Do(const SendCancel& send) {
  const std::vector<v1::Assign> held = state_.sessions.TakeBack(send.cancel.job_id(), send.cancel.attempt());
  if (held.empty()) {
    v1::ConnectResponse message;
    *message.mutable_cancel() = send.cancel;
    return state_.sessions.Send(send.worker, std::move(message));
  }
  for (const v1::Assign& assign : held) AnswerFor(send.worker, assign, std::nullopt);
}

void Decisions::AnswerFor(const std::string& worker, const v1::Assign& assign,
                          const std::optional<absl::Status>& failed) {
  for (const v1::AssignedImage& image : assign.images()) {
    v1::ConnectRequest message;
    v1::ImageRef& ref = failed ? *message.mutable_image_failure()->mutable_image()
                               : *message.mutable_image_cancelled()->mutable_image();
    ref.set_job_id(assign.job_id());
    ref.set_attempt(assign.attempt());
    ref.set_image_index(image.image_index());
    if (failed) {
      // Not a code that says something about the worker: it is the job that ends.
      *message.mutable_image_failure()->mutable_error() =
          ToProto(MakeError(absl::StatusCode::kAborted, std::string(failed->message()), "PICTURE_GONE"));
    }
    CarryOut(state_.dispatcher.OnWorkerMessage(worker, message, state_.Present()));
  }
}

void Decisions::Do(const DropWorker& drop) {
  state_.metrics.lease_expirations.Increment();
  LogWarning("lease expired", {{"worker", drop.worker}});
  state_.catalog.Withdraw(drop.worker, state_.Now());
  state_.sessions.Close(drop.worker,
                        absl::DeadlineExceededError("the worker was not heard for longer than its lease"));
}

void Decisions::Do(const WorkerStuckAction& stuck) {
  state_.metrics.stalls.Increment();
  LogError("worker hangs", {{"worker", stuck.worker},
                            {"job", stuck.image.job_id()},
                            {"attempt", stuck.image.attempt()},
                            {"image", stuck.image.image_index()}});
}

void Decisions::Do(const JobStartedAction& started) {
  const v1::Job& job = started.job;
  LogInfo("job started", {{"job", job.id()},
                          {"trace", TraceIdOf(job.traceparent())},
                          {"attempt", started.attempt},
                          {"worker", started.worker},
                          {"resumed_steps", started.resumed_steps}});
  if (started.resumed_steps > 0) state_.metrics.resumed.Increment();
  if (started.attempt == 1) {
    state_.metrics.queue_seconds[job.spec().model()].Observe(
        SecondsBetween(job.create_time(), job.start_time()));
  }
  v1::JobEvent event;
  event.mutable_started()->set_worker(started.worker);
  event.mutable_started()->set_attempt(started.attempt);
  event.mutable_started()->set_resumed_steps(started.resumed_steps);
  state_.EnsureFeed(job);
  state_.events.Publish(job.id(), std::move(event));
}

void Decisions::Do(const JobRequeuedAction& requeued) {
  state_.metrics.requeued.Increment();
  LogWarning("job requeued", {{"job", requeued.job.id()},
                              {"trace", TraceIdOf(requeued.job.traceparent())},
                              {"attempt", requeued.job.attempt()},
                              {"worker", requeued.worker},
                              {"reason", requeued.reason},
                              {"steps_kept", requeued.job.steps_done()}});
  // While others of its pictures are being made, it does not wait.
  if (requeued.job.state() != v1::JOB_STATE_QUEUED) return;
  state_.traces.OnRequeued(requeued.job, state_.Now());
  state_.events.Publish(requeued.job.id(), state_.QueuedEvent(requeued.job));
}

void Decisions::Do(const JobEndedAction& ended) {
  v1::Job job = ended.job;
  if (job.has_error()) {
    *job.mutable_error() = ToProto(WithTraceId(FromProto(job.error()), TraceIdOf(job.traceparent())));
  }
  const double cost = state_.quotas.End(job.id(), ShareDone(job));
  job.set_worker_seconds(cost);
  state_.traces.OnEnded(job.id());
  state_.ties.Untie(job.id());
  previewed_.erase(job.id());
  if (state_.ledger.IsForgotten(job.id())) {
    state_.checkpoints.OnEnded(job.id());
    return state_.events.Forget(job.id());
  }
  const uint64_t sequence = state_.events.Reserve(job.id());
  state_.ledger.End(job, sequence, [this, job, sequence, cost] { TellEnded(job, sequence, cost); });
}

void Decisions::TellEnded(const v1::Job& job, uint64_t sequence, double worker_seconds) {
  state_.checkpoints.OnEnded(job.id());
  state_.metrics.requests[OutcomeName(job.state())].Increment();
  state_.metrics.request_seconds[job.spec().model()].Observe(
      SecondsBetween(job.create_time(), job.end_time()));
  LogInfo("job ended", {{"job", job.id()},
                        {"trace", TraceIdOf(job.traceparent())},
                        {"attempt", job.attempt()},
                        {"outcome", OutcomeName(job.state())},
                        {"error", job.error().message()}});
  state_.Record("job_ended", job,
                {{"outcome", OutcomeName(job.state())},
                 {"images", job.images_done()},
                 {"worker_seconds", worker_seconds},
                 {"error", job.error().message()}});
  v1::JobEvent event;
  *event.mutable_completed()->mutable_job() = PublicJob(job);
  state_.events.PublishAt(job.id(), sequence, std::move(event));
  state_.TellWebhook(job);
}

void Decisions::ShowPreview(v1::ImagePreview preview) {
  const v1::Job& job = *state_.dispatcher.Find(preview.image().job_id());
  if (previewed_.insert(job.id()).second) {
    state_.metrics.first_preview_seconds[job.spec().model()].Observe(
        SecondsBetween(job.create_time(), ToTimestamp(state_.Now())));
  }
  v1::JobEvent event;
  *event.mutable_preview() = std::move(*preview.mutable_preview());
  state_.events.Publish(job.id(), std::move(event));
}

}  // namespace mind::server
