#include "server/generation/service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/finished_image.h"
#include "server/generation/job_pages.h"
#include "server/generation/model_summary.h"
#include "server/generation/model_work.h"
#include "server/generation/outcome.h"
#include "server/generation/public_job.h"
#include "server/generation/recovery.h"
#include "server/generation/usage.h"

namespace mind::server {
namespace {

// A job that has not ended durably, of this caller's tenant; null for others, and for another's, of which is
// looked up what is looked up of one that there is not: how long an answer takes tells nothing.
const v1::Job* ActiveOf(const ServiceState& state, const std::string& id, const Caller& caller) {
  const v1::Job* const job = state.FindActive(id);
  return job != nullptr && job->tenant() == caller.tenant ? job : nullptr;
}

}  // namespace

GenerationService::GenerationService(const Options& options, JobStore& store, ServerMetrics& metrics)
    : state_(options, store, metrics),
      decisions_(state_),
      submissions_(state_, decisions_),
      worker_desk_(state_, decisions_),
      signing_secrets_(state_),
      queue_news_(state_),
      kept_prices_(state_),
      retention_(state_) {
  state_.ledger.OnChange([this] { TellServing(); });
}

absl::Status GenerationService::Recover() {
  absl::Status status = TakeUpEarlierRun(state_, decisions_);
  if (status.ok()) status = kept_prices_.TakeUp();
  return status.ok() ? signing_secrets_.TakeUp() : status;
}

// --- Jobs.

void GenerationService::FindEnded(const std::string& id, const Caller& caller, Answer<StoredJob> answer) {
  if (!IsValidUtf8(id)) return answer(UnknownJob(id));
  state_.store.Find(caller.tenant, id,
                    state_.OnLoop<std::optional<StoredJob>>(
                        [id, answer = std::move(answer)](absl::StatusOr<std::optional<StoredJob>> found) {
                          if (!found.ok()) return answer(found.status());
                          if (!found->has_value()) return answer(UnknownJob(id));
                          answer(**std::move(found));
                        }));
}

void GenerationService::Get(const std::string& id, const Caller& caller, Answer<v1::Job> answer) {
  if (const v1::Job* const job = ActiveOf(state_, id, caller)) return answer(PublicJob(*job));
  FindEnded(id, caller, [answer = std::move(answer)](const absl::StatusOr<StoredJob>& found) {
    found.ok() ? answer(PublicJob(found->job)) : answer(found.status());
  });
}

void GenerationService::List(const v1::ListJobsRequest& request, const Caller& caller,
                             Answer<v1::ListJobsResponse> answer) {
  ListPage({.list =
                [this](const JobQuery& query, StoreDone<std::vector<StoredJob>> done) {
                  state_.store.List(query, state_.OnLoop<std::vector<StoredJob>>(std::move(done)));
                },
            .now = [this](const std::string& id) { return state_.FindActive(id); },
            .gone = [this](const std::string& id) { return state_.ledger.IsForgotten(id); }},
           request, caller, std::move(answer));
}

void GenerationService::EndFor(const std::string& id, const absl::Status& reason,
                               std::function<void(const absl::Status& written)> then) {
  decisions_.CarryOut(state_.dispatcher.OnCancel(id, reason, state_.Present()));
  // It has stopped, but until that is written it would go on after a crash.
  state_.ledger.Answer(std::move(then));
}

void GenerationService::Cancel(const std::string& id, const Caller& caller, const absl::Status& reason,
                               Answer<v1::Job> answer) {
  const v1::Job* const job = ActiveOf(state_, id, caller);
  if (job == nullptr) return AnswerCancelled(id, caller, answer);
  const auto why = GetErrorInfo(reason);
  state_.Record("job_cancelled", *job, {{"reason", why ? why->reason() : std::string(reason.message())}},
                caller.key_id);
  EndFor(id, reason, [this, id, caller, answer = std::move(answer)](const absl::Status& written) {
    written.ok() ? AnswerCancelled(id, caller, answer) : answer(written);
  });
}

void GenerationService::Delete(const std::string& id, const Caller& caller, const absl::Status& reason,
                               Answer<v1::Job> answer) {
  if (ActiveOf(state_, id, caller) != nullptr) {
    return EndFor(id, reason,
                  [this, id, caller, reason, answer = std::move(answer)](const absl::Status& written) {
                    written.ok() ? Delete(id, caller, reason, answer) : answer(written);
                  });
  }
  FindEnded(id, caller,
            [this, key = caller.key_id, answer = std::move(answer)](const absl::StatusOr<StoredJob>& found) {
              if (!found.ok()) return answer(found.status());
              const v1::Job& job = found->job;
              state_.Record("job_deleted", job, nlohmann::ordered_json::object(), key);
              state_.ledger.Forget(job.id());
              LogInfo("job deleted", {{"job", job.id()}, {"tenant", job.tenant()}});
              state_.ledger.Answer([this, answer, job = PublicJob(job)](const absl::Status& written) {
                if (!written.ok()) return answer(written);
                state_.events.ForgetUnwatched(job.id());
                answer(job);
              });
            });
}

void GenerationService::AnswerCancelled(const std::string& id, const Caller& caller,
                                        const Answer<v1::Job>& answer) {
  FindEnded(id, caller, [answer](const absl::StatusOr<StoredJob>& found) {
    if (!found.ok()) return answer(found.status());
    if (found->job.state() == v1::JOB_STATE_CANCELLED) return answer(PublicJob(found->job));
    const std::string outcome = OutcomeName(found->job.state());
    answer(MakeError(absl::StatusCode::kFailedPrecondition,
                     absl::StrCat("the job has already ended: ", outcome), "JOB_ENDED",
                     {{"state", outcome}}));
  });
}

void GenerationService::GetImage(const std::string& id, uint32_t index, const Caller& caller,
                                 Answer<v1::GetImageResponse> answer) {
  Get(id, caller, [this, index, answer = std::move(answer)](const absl::StatusOr<v1::Job>& job) {
    if (!job.ok()) return answer(job.status());
    state_.store.FindImage(
        job->id(), index,
        [post = state_.options.post, job = *job, index,
         answer](const absl::StatusOr<std::optional<StoredImage>>& found) {
          // Made where it was read: a sum over megabytes is not the loop's.
          post([answer, image = FinishedImage(job, index, found)]() mutable { answer(std::move(image)); });
        });
  });
}

void GenerationService::Watch(const std::string& id, const WatchStart& start, const Caller& caller,
                              std::function<void()> on_news, Answer<WatchId> answer) {
  if (const v1::Job* const job = ActiveOf(state_, id, caller)) {
    state_.EnsureFeed(*job);
    if (!start.front || start.front->tied_calls == 0) state_.ties.Adopt(id);
    return answer(BeginWatch(id, start, std::move(on_news)));
  }
  FindEnded(id, caller,
            [this, start, on_news = std::move(on_news),
             answer = std::move(answer)](const absl::StatusOr<StoredJob>& found) {
              if (!found.ok()) return answer(found.status());
              const std::string& job = found->job.id();
              if (!state_.events.Has(job)) state_.events.Restore(*found, std::nullopt);
              answer(BeginWatch(job, start, on_news));
            });
}

WatchId GenerationService::BeginWatch(const std::string& id, const WatchStart& start,
                                      std::function<void()> on_news) {
  using Pictures = EventSource::Pictures;
  const WatchId watch = state_.events.Watch(id, start.after_sequence, std::move(on_news),
                                            start.front ? Pictures::kMarks : Pictures::kWhole);
  if (!start.front) return watch;
  state_.ties.Watch(id, start.front->name, start.front->tied_calls);
  front_watches_[watch] = {id, start.front->name};
  return watch;
}

void GenerationService::Unwatch(WatchId watch) {
  state_.events.Unwatch(watch);
  const auto found = front_watches_.extract(watch);
  if (found.empty()) return;
  const auto& [id, front] = found.mapped();
  state_.ties.Unwatch(id, front, state_.Now() + state_.options.front_patience);
}

// --- Models and workers.

void GenerationService::ListModels(Answer<v1::ListModelsResponse> answer) {
  v1::ListModelsResponse response;
  for (const auto& [name, model] : state_.catalog.models()) *response.add_models() = Summary(model);
  answer(std::move(response));
}

void GenerationService::GetModel(const std::string& name, Answer<v1::Model> answer) {
  const absl::StatusOr<const v1::Model*> model =
      FindModel("name", name, state_.catalog.models(), state_.catalog.Meant({}, state_.Now()));
  model.ok() ? answer(Summary(**model)) : answer(model.status());
}

void GenerationService::ListSamplers(const std::string& name, Answer<v1::ListSamplersResponse> answer) {
  const absl::StatusOr<const v1::Model*> model =
      FindModel("model", name, state_.catalog.models(), state_.catalog.Meant({}, state_.Now()));
  if (!model.ok()) return answer(model.status());
  answer(SamplersOf(**model));
}

void GenerationService::ListWorkers(Answer<v1::ListWorkersResponse> answer) {
  v1::ListWorkersResponse response;
  for (const auto& [name, connected] : state_.dispatcher.Workers()) {
    v1::Worker* const worker = response.add_workers();
    worker->set_name(name);
    worker->set_device(connected.registration().device());
    for (const v1::Model& model : connected.registration().models()) worker->add_models(model.name());
    *worker->mutable_loaded_models() = connected.capacity().loaded_models();
    worker->set_running_images(static_cast<uint32_t>(connected.running().size()));
    worker->set_max_images(connected.capacity().max_images());
    worker->set_steps_per_second(connected.capacity().steps_per_second());
    worker->set_batch_rows(connected.capacity().batch_rows());
    worker->set_state(connected.state());
    *worker->mutable_connect_time() = ToTimestamp(connected.connected());
  }
  if (!worker_desk_.has_unsaved_models() || !state_.ledger.reliable()) return answer(std::move(response));
  // Fronts list models from the store: who has seen a worker finds its models there. While the store cannot
  // be written nothing is promised about them, and workers are told of all the same.
  state_.ledger.Answer([answer = std::move(answer), response = std::move(response)](
                           const absl::Status&) mutable { answer(std::move(response)); });
}

void GenerationService::ListWork(Answer<internal::v1::ListWorkResponse> answer) {
  answer(WorkOf(state_.dispatcher));
}

void GenerationService::ListUsage(const v1::ListUsageRequest& request, Answer<v1::ListUsageResponse> answer) {
  server::ListUsage(
      request,
      [this](const UsageQuery& query, StoreDone<std::vector<v1::Usage>> done) {
        state_.store.ListUsage(query, state_.OnLoop<std::vector<v1::Usage>>(std::move(done)));
      },
      std::move(answer));
}

// --- The process.

void GenerationService::OnServingChange(std::function<void(bool)> tell) {
  tell_serving_ = std::move(tell);
  told_serving_ = !serving();
  TellServing();
}

void GenerationService::TellServing() {
  // What is made while nothing can be written would be held, or made again.
  state_.dispatcher.SetPlacing(serving());
  if (serving() == told_serving_) return;
  told_serving_ = serving();
  if (tell_serving_) tell_serving_(told_serving_);
}

void GenerationService::StopAdmitting() {
  submissions_.StopAdmitting();
  kept_prices_.Write();
  TellServing();
}

void GenerationService::CloseWatches() {
  const absl::Status going_down =
      WithRetry(MakeError(absl::StatusCode::kUnavailable, "the server is going down", "SHUTTING_DOWN"),
                absl::Seconds(2));
  submissions_.StopListeningToLeaving();
  submissions_.Dismiss(going_down);
  state_.events.Close(going_down);
  state_.ledger.Dismiss(going_down);
}

void GenerationService::OnTick() {
  const absl::Time now = state_.Now();
  state_.ledger.OnTick();
  worker_desk_.OnTick();
  for (const std::string& id : state_.ties.TakeAbandoned(now)) {
    decisions_.CarryOut(state_.dispatcher.OnCancel(id, CallerGone(id), state_.Present()));
  }
  decisions_.CarryOut(state_.dispatcher.OnTick(state_.Present()));
  state_.metrics.Describe(state_.dispatcher, state_.options.max_queue);
  state_.metrics.queue_bytes.Set(static_cast<double>(state_.quotas.bytes()));
  state_.metrics.queue_bytes_allowed.Set(static_cast<double>(state_.options.max_queue_bytes));
  const StoreDurability durability = state_.store.durability();
  state_.metrics.store_synchronous["disk"].Set(durability.disk ? 1 : 0);
  state_.metrics.store_synchronous["standby"].Set(durability.standby ? 1 : 0);
  state_.metrics.store_failing.Set(state_.ledger.reliable() ? 0 : 1);
  state_.events.TakeMetrics();
  queue_news_.OnTick();
  state_.checkpoints.OnTick();
  kept_prices_.OnTick();
  state_.disk.OnTick();
  retention_.OnTick();
}

}  // namespace mind::server
