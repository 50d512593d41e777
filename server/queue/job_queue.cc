#include "server/queue/job_queue.h"

#include <algorithm>
#include <tuple>

namespace mind::server {
namespace {

// A job is urgent when what is left until its deadline is less than this many times its own cost plus a
// second: the estimate may be off, and a worker may be busy for a moment.
constexpr double kSlackFactor = 2;
constexpr absl::Duration kSlackFloor = absl::Seconds(1);

bool IsUrgent(const QueuedJob& job, absl::Time now) {
  return job.deadline - now < kSlackFloor + absl::Seconds(kSlackFactor * job.cost_seconds);
}

}  // namespace

void JobQueue::Push(QueuedJob job) {
  double& finish = finish_tags_[job.tenant];
  Entry entry{.job = std::move(job), .start_tag = std::max(virtual_time_, finish), .arrival = ++arrivals_};
  finish = entry.start_tag + entry.job.cost_seconds;
  const std::string id = entry.job.id;
  entries_.emplace(id, std::move(entry));
}

void JobQueue::PushToHead(QueuedJob job) {
  const std::string id = job.id;
  entries_.emplace(
      id, Entry{.job = std::move(job), .head = true, .start_tag = virtual_time_, .arrival = ++arrivals_});
}

bool JobQueue::Remove(const std::string& id) {
  return entries_.erase(id) != 0;
}

bool JobQueue::Before(const Entry& a, const Entry& b, absl::Time now) {
  if (a.job.priority != b.job.priority) return a.job.priority > b.job.priority;
  if (a.head != b.head) return a.head;
  const bool urgent_a = IsUrgent(a.job, now), urgent_b = IsUrgent(b.job, now);
  if (urgent_a != urgent_b) return urgent_a;
  if (urgent_a && a.job.deadline != b.job.deadline) return a.job.deadline < b.job.deadline;
  return std::tie(a.start_tag, a.arrival) < std::tie(b.start_tag, b.arrival);
}

std::optional<QueuedJob> JobQueue::Pop(absl::Time now, const std::function<bool(const QueuedJob&)>& fits) {
  const Entry* first = nullptr;
  for (const auto& [id, entry] : entries_) {
    if ((first == nullptr || Before(entry, *first, now)) && fits(entry.job)) first = &entry;
  }
  if (first == nullptr) return std::nullopt;
  virtual_time_ = std::max(virtual_time_, first->start_tag);
  QueuedJob job = first->job;
  entries_.erase(job.id);
  // Tenants whose last job ended in the past start level with the others: their tags need not be kept.
  std::erase_if(finish_tags_, [this](const auto& tag) { return tag.second <= virtual_time_; });
  return job;
}

JobQueue::Ahead JobQueue::AheadOf(const std::string& id, absl::Time now) const {
  const Entry& self = entries_.at(id);
  Ahead ahead;
  for (const auto& [other_id, other] : entries_) {
    if (other_id == id || !Before(other, self, now)) continue;
    ++ahead.jobs;
    ahead.cost_seconds += other.job.cost_seconds;
  }
  return ahead;
}

std::map<std::string, JobQueue::Waiting> JobQueue::ByModel() const {
  std::map<std::string, Waiting> models;
  for (const auto& [id, entry] : entries_) {
    Waiting& waiting = models[entry.job.model];
    ++waiting.jobs;
    waiting.steps += entry.job.steps;
    waiting.cost_seconds += entry.job.cost_seconds;
  }
  return models;
}

double JobQueue::total_cost_seconds() const {
  double total = 0;
  for (const auto& [id, entry] : entries_) total += entry.job.cost_seconds;
  return total;
}

}  // namespace mind::server
