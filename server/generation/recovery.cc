#include "server/generation/recovery.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "proto/support/logging.h"
#include "server/generation/reference_pictures.h"

namespace mind::server {
namespace {

void TakeUp(ServiceState& state, Decisions& decisions, StoredJob stored) {
  v1::Job& job = stored.job;
  std::set<uint32_t> done;
  for (const ImageMark& image : stored.images) done.insert(image.index);
  job.set_state(v1::JOB_STATE_QUEUED);
  const auto known = state.catalog.models().find(job.spec().model());
  const v1::Model* const model = known == state.catalog.models().end() ? nullptr : &known->second;
  if (stored.tied) state.ties.Orphan(job.id(), state.Now() + state.options.orphan_patience);
  if (job.attempt() > 0) state.traces.OnRequeued(job, state.Now());
  state.quotas.Begin(
      job.id(), {.tenant = job.tenant(), .bytes = job.ByteSizeLong(), .worker_seconds = job.worker_seconds()},
      state.options.limits_of(job.tenant()), state.options.steady_clock());
  const Actions actions = state.dispatcher.OnSubmit(job, CostInRows(job.spec(), model), done, state.Present(),
                                                    ReferenceMegapixels(job.spec(), model));
  // A job without pictures has nothing to tell yet that could not be told when somebody asks.
  if (!done.empty()) {
    const bool waits = state.dispatcher.Find(job.id()) != nullptr;
    state.events.Restore(stored, waits ? std::optional(state.QueuedEvent(job)) : std::nullopt);
  }
  decisions.CarryOut(actions);
}

// What tenants have used within the longest time that a limit is for.
absl::Status TakeUpUsage(ServiceState& state) {
  const absl::Time now = state.Now();
  const absl::StatusOr<std::vector<UsedTime>> used = state.store.UsedSince(now - absl::Hours(24));
  if (!used.ok()) return used.status();
  const absl::Duration steady = state.options.steady_clock();
  for (const UsedTime& one : *used) {
    state.quotas.TakeUp(one.tenant, one.worker_seconds, state.options.limits_of(one.tenant),
                        steady - (now - std::min(one.ended, now)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Model>> ReadModels(JobReader& store) {
  absl::StatusOr<std::vector<v1::Model>> models;
  absl::Notification read;
  store.Models([&](absl::StatusOr<std::vector<v1::Model>> answer) {
    models = std::move(answer);
    read.Notify();
  });
  read.WaitForNotification();
  return models;
}

}  // namespace

absl::Status TakeUpEarlierRun(ServiceState& state, Decisions& decisions) {
  absl::StatusOr<std::vector<v1::Model>> models = ReadModels(state.store);
  if (!models.ok()) return models.status();
  for (v1::Model& model : *models) state.catalog.Remember(std::move(model), state.Now());
  if (absl::Status status = TakeUpUsage(state); !status.ok()) return status;
  int64_t jobs = 0;
  absl::Status status = state.store.ForEachUnfinished([&](StoredJob stored) {
    TakeUp(state, decisions, std::move(stored));
    ++jobs;
  });
  if (status.ok()) {
    status = state.store.ForEachUnsettledWebhook([&state](const v1::Job& job) { state.TellWebhook(job); });
  }
  if (status.ok()) state.checkpoints.TakeUp(state.Present());
  if (status.ok() && jobs > 0) LogInfo("took up jobs of an earlier run", {{"jobs", jobs}});
  return status;
}

}  // namespace mind::server
