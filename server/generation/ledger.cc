#include "server/generation/ledger.h"

#include <utility>

#include "proto/support/logging.h"

namespace mind::server {
namespace {

// How often a store that has failed is asked whether it works again, when there is nothing to write.
constexpr absl::Duration kProbeInterval = absl::Seconds(1);

v1::Job NotEnded(v1::Job job) {
  job.set_state(job.has_start_time() ? v1::JOB_STATE_RUNNING : v1::JOB_STATE_QUEUED);
  job.clear_end_time();
  job.clear_error();
  return job;
}

}  // namespace

absl::Status Ledger::Note(const absl::Status& status) {
  if (!status.ok() && failure_.ok()) {
    LogError("the job store cannot be written", {{"error", std::string(status.message())}});
  } else if (status.ok() && !failure_.ok()) {
    LogInfo("the job store can be written again",
            {{"ends_to_write", endings_.size()}, {"jobs_to_write", unwritten_.size()}});
  }
  failure_ = status;
  return status;
}

void Ledger::Update(const v1::Job& job) {
  if (Note(store_.Update(job)).ok()) {
    unwritten_.erase(job.id());
  } else {
    unwritten_.insert(job.id());
  }
}

void Ledger::SaveModels(const std::vector<v1::Model>& models) {
  if (models.empty() || Note(store_.SaveModels(models)).ok()) return;
  for (const v1::Model& model : models) models_[model.name()] = model;
}

absl::Status Ledger::End(v1::Job job, uint64_t sequence, Written written) {
  unwritten_.erase(job.id());
  absl::Status status = Note(store_.End(job, sequence));
  if (status.ok()) {
    written(job, sequence);
    return status;
  }
  const std::string id = job.id();
  v1::Job outside = NotEnded(job);
  endings_[id] = {std::move(job), std::move(outside), sequence, std::move(written)};
  return status;
}

const v1::Job* Ledger::FindEnding(const std::string& id) const {
  const auto found = endings_.find(id);
  return found == endings_.end() ? nullptr : &found->second.outside;
}

void Ledger::Retry(const std::function<const v1::Job*(const std::string& id)>& find, absl::Time now) {
  while (!endings_.empty()) {
    const auto first = endings_.begin();
    if (!Note(store_.End(first->second.job, first->second.sequence)).ok()) return;
    const Ending ending = std::move(first->second);
    endings_.erase(first);  // before anybody is told
    ending.written(ending.job, ending.sequence);
  }
  while (!unwritten_.empty()) {
    const v1::Job* const job = find(*unwritten_.begin());
    if (job != nullptr && !Note(store_.Update(*job)).ok()) return;
    unwritten_.erase(unwritten_.begin());
  }
  if (!models_.empty()) {
    std::vector<v1::Model> models;
    for (const auto& [name, model] : models_) models.push_back(model);
    if (!Note(store_.SaveModels(models)).ok()) return;
    models_.clear();
  }
  if (reliable() || now < next_probe_) return;
  next_probe_ = now + kProbeInterval;
  Note(store_.Probe()).IgnoreError();
}

}  // namespace mind::server
