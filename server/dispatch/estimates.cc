// How long jobs take and wait.
//
// A wait is told as what it is at least, while things stay as they are: what comes later with a higher
// priority, and limits of what a tenant has running, which keep its jobs where they are, are not in it.
#include <algorithm>
#include <limits>

#include "server/dispatch/dispatcher.h"

namespace mind::server {

void Dispatcher::UpdatePrices(const Worker& worker, const v1::Capacity& capacity) {
  for (const v1::ModelSpeed& speed : capacity.speeds()) {
    const std::optional<double> seconds = worker.RowSeconds(speed.model());
    const Offer* const offer = worker.OfferOf(speed.model());
    if (!seconds || offer == nullptr) continue;
    if (prices_.Report(worker.name(), speed.model(), *seconds, offer->default_megapixels())) {
      queue_.SetPrice(speed.model(), *prices_.Find(speed.model()));
    }
  }
}

void Dispatcher::SetPrice(const std::string& model, const Price& price) {
  prices_.Set(model, price);
  queue_.SetPrice(model, price);
}

JobQueue::Shares Dispatcher::SharesWith(const std::string& model) const {
  return [this, &model](const std::string& other) { return fleet_.Share(other, model); };
}

std::optional<absl::Duration> Dispatcher::EstimatedWait(const std::string& model, int priority,
                                                        const std::string& tenant) const {
  const int64_t workers = fleet_.Able(model);
  if (workers == 0) return std::nullopt;
  const JobQueue::Shares share = SharesWith(model);
  double seconds = queue_.CostAheadOfNew(priority, tenant, share);
  if (seconds == 0 && fleet_.Open(model, priority, Fleet::kForAll) != 0) return absl::ZeroDuration();
  // Of what runs one must end, and it is not the longest: workers finish first what has the least left.
  double running = 0, pictures = 0;
  running_.ForEach(priority, [&](const std::string& other, const Work& left, int64_t count) {
    running += share(other) * PriceOf(other).Of(left);
    pictures += share(other) * static_cast<double>(count);
  });
  seconds += running / std::max(pictures, 1.0);
  return absl::Seconds(seconds / static_cast<double>(workers));
}

std::optional<absl::Duration> Dispatcher::EstimatedWaitOf(const std::string& id) const {
  if (!queue_.Contains(id)) return std::nullopt;
  const std::string& model = jobs_.Find(id)->model();
  const int64_t workers = fleet_.Able(model);
  if (workers == 0) return std::nullopt;
  return absl::Seconds(queue_.CostAheadOf(id, SharesWith(model)) / static_cast<double>(workers));
}

std::optional<absl::Duration> Dispatcher::EstimatedRemaining(const std::string& id) const {
  const ActiveJob* const found = jobs_.Find(id);
  if (found == nullptr || !found->running()) return std::nullopt;
  const ActiveJob& job = *found;
  const double row = PriceOf(job.model()).OfRow(job.megapixels());
  double seconds = 0;
  int attempts = 0;
  for (const auto& [number, attempt] : job.attempts()) {
    const Worker* const worker = fleet_.Find(attempt.worker);
    if (worker == nullptr || attempt.outstanding.empty()) continue;
    ++attempts;
    double longest = 0;
    for (const uint32_t image : attempt.outstanding) {
      longest = std::max(longest, job.WorkAfter(job.images()[image].step).rows);
    }
    // Batch neighbours share the worker: their rows are done in between, as long as they have some.
    const double rows =
        std::min(worker->left().rows, longest * static_cast<double>(worker->running().size()));
    seconds = std::max(seconds, rows * worker->RowSeconds(job.model()).value_or(row));
  }
  const Work waits = job.returned().work + job.WorkAfter(0) * job.fresh();
  return absl::Seconds(seconds + PriceOf(job.model()).Of(waits) / std::max(attempts, 1));
}

std::map<std::string, double> Dispatcher::RunningSeconds() const {
  std::map<std::string, double> seconds;
  running_.ForEach(std::numeric_limits<int>::min(), [&](const std::string& model, const Work& left, int64_t) {
    seconds[model] = PriceOf(model).Of(left);
  });
  return seconds;
}

// --- Views.

const v1::Job* Dispatcher::Find(const std::string& id) const {
  const ActiveJob* const found = jobs_.Find(id);
  return found == nullptr ? nullptr : &found->job;
}

const ActiveJob* Dispatcher::FindActive(const std::string& id) const {
  return jobs_.Find(id);
}

namespace {

// Whether its deadline may put it forward: not by a key that allows no high priority.
bool MayBeUrgent(const v1::Job& job) {
  return job.highest_priority() == v1::PRIORITY_UNSPECIFIED || job.highest_priority() >= v1::PRIORITY_HIGH;
}

}  // namespace

QueuedJob Dispatcher::ToQueued(const ActiveJob& active) const {
  return {.id = active.id(),
          .tenant = active.job.tenant(),
          .model = active.model(),
          .priority = active.job.priority(),
          .offers = active.offers,
          .pictures = active.fresh(),
          .picture = active.WorkAfter(0),
          .deadline = MayBeUrgent(active.job) ? active.Deadline() : absl::InfiniteFuture(),
          .weight = options_.weight_of(active.job.tenant())};
}

size_t Dispatcher::RunningImages(const std::string& worker) const {
  const Worker* const found = fleet_.Find(worker);
  return found == nullptr ? 0 : found->running().size();
}

}  // namespace mind::server
