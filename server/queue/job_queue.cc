#include "server/queue/job_queue.h"

#include <algorithm>
#include <tuple>

namespace mind::server {
namespace {

// A job is urgent when what is left until its deadline is less than this many times its own cost plus a
// second: the estimate may be off, and a worker may be busy for a moment.
constexpr double kSlackFactor = 2;
constexpr absl::Duration kSlackFloor = absl::Seconds(1);

}  // namespace

void JobQueue::Push(QueuedJob job) {
  double& finish = finish_tags_[job.tenant];
  Entry entry{.job = std::move(job),
              .virtual_time = virtual_time_,
              .start_tag = std::max(virtual_time_, finish),
              .arrival = ++arrivals_};
  entry.charged = Cost(entry.job);
  finish = entry.start_tag + entry.charged;
  Insert(std::move(entry));
}

void JobQueue::PushToHead(QueuedJob job) {
  Insert({.job = std::move(job),
          .head = true,
          .virtual_time = virtual_time_,
          .start_tag = virtual_time_,
          .arrival = ++arrivals_});
}

bool JobQueue::Remove(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  const Entry removed = found->second;
  Erase(found);
  if (!removed.head) Refund(removed);
  return true;
}

void JobQueue::Take(const std::string& id) {
  const auto found = entries_.find(id);
  virtual_time_ = std::max(virtual_time_, found->second.start_tag);
  Erase(found);
  ForgetTenantsOfThePast();
}

void JobQueue::Insert(Entry entry) {
  ++by_priority_[entry.job.priority];
  const std::string id = entry.job.id;
  entries_.emplace(id, std::move(entry));
}

void JobQueue::Erase(std::map<std::string, Entry>::iterator entry) {
  const auto priority = by_priority_.find(entry->second.job.priority);
  if (--priority->second == 0) by_priority_.erase(priority);
  entries_.erase(entry);
}

void JobQueue::Refund(const Entry& removed) {
  std::vector<Entry*> later;
  for (auto& [id, entry] : entries_) {
    if (!entry.head && entry.job.tenant == removed.job.tenant && entry.arrival > removed.arrival) {
      later.push_back(&entry);
    }
  }
  std::sort(later.begin(), later.end(),
            [](const Entry* a, const Entry* b) { return a->arrival < b->arrival; });
  double gap = removed.charged;  // how far the next may move up
  double finish = removed.start_tag;
  for (Entry* const entry : later) {
    const double moved = std::max(entry->start_tag - gap, entry->virtual_time);
    gap = entry->start_tag - moved;
    entry->start_tag = moved;
    finish = moved + entry->charged;
  }
  // Jobs of the tenant that came later and run already keep what they were charged.
  double& last = finish_tags_[removed.job.tenant];
  last = std::max(finish, last - gap);
  ForgetTenantsOfThePast();
}

void JobQueue::ForgetTenantsOfThePast() {
  std::erase_if(finish_tags_, [this](const auto& tag) { return tag.second <= virtual_time_; });
}

bool JobQueue::Before(const Entry& a, const Entry& b, absl::Time now) const {
  const auto urgent = [&](const Entry& entry) {
    return entry.job.deadline - now < kSlackFloor + absl::Seconds(kSlackFactor * Cost(entry.job));
  };
  if (a.job.priority != b.job.priority) return a.job.priority > b.job.priority;
  if (a.head != b.head) return a.head;
  const bool urgent_a = urgent(a), urgent_b = urgent(b);
  if (urgent_a != urgent_b) return urgent_a;
  if (urgent_a && a.job.deadline != b.job.deadline) return a.job.deadline < b.job.deadline;
  return std::tie(a.start_tag, a.arrival) < std::tie(b.start_tag, b.arrival);
}

std::vector<const QueuedJob*> JobQueue::InOrder(absl::Time now) const {
  std::vector<const Entry*> entries;
  entries.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(),
            [&](const Entry* a, const Entry* b) { return Before(*a, *b, now); });
  std::vector<const QueuedJob*> jobs;
  jobs.reserve(entries.size());
  for (const Entry* const entry : entries) jobs.push_back(&entry->job);
  return jobs;
}

double JobQueue::RowSeconds(const std::string& model) const {
  const auto found = row_seconds_.find(model);
  return found == row_seconds_.end() ? default_row_seconds_ : found->second;
}

JobQueue::Ahead JobQueue::AheadOf(const std::string& id, absl::Time now,
                                  const std::function<double(const QueuedJob&)>& share) const {
  const Entry& self = entries_.at(id);
  Ahead ahead;
  for (const auto& [other_id, other] : entries_) {
    if (other_id == id || !Before(other, self, now)) continue;
    ++ahead.jobs;
    ahead.cost_seconds += share(other.job) * Cost(other.job);
  }
  return ahead;
}

std::map<std::string, JobQueue::Waiting> JobQueue::ByModel() const {
  std::map<std::string, Waiting> models;
  for (const auto& [id, entry] : entries_) {
    Waiting& waiting = models[entry.job.model];
    ++waiting.jobs;
    waiting.steps += entry.job.steps;
    waiting.cost_seconds += Cost(entry.job);
  }
  return models;
}

double JobQueue::CostSeconds(int priority, const std::function<double(const QueuedJob&)>& share) const {
  double total = 0;
  for (const auto& [id, entry] : entries_) {
    if (entry.job.priority >= priority) total += share(entry.job) * Cost(entry.job);
  }
  return total;
}

}  // namespace mind::server
