// How long jobs take and wait.
#include <algorithm>

#include "server/dispatch/dispatcher.h"

namespace mind::server {

void Dispatcher::UpdatePrice(const std::string& model) {
  double sum = 0;
  int measured = 0;
  for (const auto& [name, worker] : workers_) {
    const std::optional<double> seconds = worker.RowSeconds(model);
    if (!seconds || worker.OfferOf(model) == nullptr) continue;
    sum += *seconds;
    ++measured;
  }
  if (measured > 0) queue_.SetRowSeconds(model, sum / measured);
}

std::set<const Worker*> Dispatcher::WorkersWith(const std::string& model) const {
  std::set<const Worker*> with;
  for (const auto& [name, worker] : workers_) {
    if (!worker.draining() && !worker.stuck() && worker.OfferOf(model) != nullptr) with.insert(&worker);
  }
  return with;
}

std::function<double(const QueuedJob&)> Dispatcher::SharesOn(const std::set<const Worker*>& workers) const {
  return [this, workers, shares = std::map<std::string, double>()](const QueuedJob& job) mutable {
    const auto [share, added] = shares.try_emplace(job.model, 0);
    if (!added) return share->second;
    const std::set<const Worker*> able = WorkersWith(job.model);
    const auto common = std::count_if(
        able.begin(), able.end(), [&workers](const Worker* worker) { return workers.count(worker) != 0; });
    if (common > 0) share->second = static_cast<double>(common) / static_cast<double>(able.size());
    return share->second;
  };
}

std::optional<absl::Duration> Dispatcher::EstimatedWait(const std::string& model, int priority) const {
  const std::set<const Worker*> workers = WorkersWith(model);
  if (workers.empty()) return std::nullopt;
  double seconds = queue_.CostSeconds(priority, SharesOn(workers));
  const bool room = std::any_of(workers.begin(), workers.end(), [priority](const Worker* worker) {
    return worker->usable() && worker->Room(priority) > 0;
  });
  if (seconds == 0 && room) return absl::ZeroDuration();
  for (const auto& [id, job] : jobs_) {
    if (!job.running() || job.job.priority() < priority) continue;
    const auto worker = workers_.find(job.worker);
    if (worker == workers_.end() || workers.count(&worker->second) == 0) continue;
    seconds += job.RemainingRows() * RowSeconds(job.model());
  }
  return absl::Seconds(seconds / static_cast<double>(workers.size()));
}

std::optional<absl::Duration> Dispatcher::EstimatedWaitOf(const std::string& id, absl::Time now) const {
  if (!queue_.Contains(id)) return std::nullopt;
  const std::set<const Worker*> workers = WorkersWith(jobs_.at(id).model());
  if (workers.empty()) return std::nullopt;
  return absl::Seconds(queue_.AheadOf(id, now, SharesOn(workers)).cost_seconds /
                       static_cast<double>(workers.size()));
}

std::optional<absl::Duration> Dispatcher::EstimatedRemaining(const std::string& id) const {
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || !found->second.running()) return std::nullopt;
  const auto worker = workers_.find(found->second.worker);
  if (worker == workers_.end()) return std::nullopt;
  // Batch neighbours share the worker: their rows are done in between.
  std::set<std::string> neighbours;
  for (const auto& [key, picture] : worker->second.running()) neighbours.insert(key.job);
  const double own = found->second.RemainingRows();
  double rows = 0;
  for (const std::string& neighbour : neighbours) {
    const auto job = jobs_.find(neighbour);
    if (job == jobs_.end() || job->second.worker != found->second.worker) continue;
    rows += std::min(job->second.RemainingRows(), own);
  }
  const std::string& model = found->second.model();
  return absl::Seconds(rows * worker->second.RowSeconds(model).value_or(RowSeconds(model)));
}

// --- Views.

const v1::Job* Dispatcher::Find(const std::string& id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second.job;
}

QueuedJob Dispatcher::ToQueued(const ActiveJob& active) const {
  const v1::Job& job = active.job;
  return {.id = job.id(),
          .tenant = job.tenant(),
          .model = active.model(),
          .priority = job.priority(),
          .rows = active.RemainingRows(),
          .steps = static_cast<int64_t>(job.steps_total()) - job.steps_done(),
          .deadline = active.deadline};
}

size_t Dispatcher::RunningImages(const std::string& worker) const {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? 0 : found->second.running().size();
}

std::map<std::string, int64_t> Dispatcher::RunningByModel() const {
  std::map<std::string, int64_t> models;
  for (const auto& [id, job] : jobs_) {
    if (job.running()) ++models[job.model()];
  }
  return models;
}

}  // namespace mind::server
