#include "server/generation/job_ties.h"

#include <algorithm>

namespace mind::server {

bool JobTies::Ties::wanted() const {
  return std::any_of(fronts.begin(), fronts.end(), [](const auto& front) { return front.second.calls > 0; });
}

absl::Time JobTies::Ties::NextDue() const {
  absl::Time next = orphan_until == absl::InfinitePast() ? absl::InfiniteFuture() : orphan_until;
  for (const auto& [name, front] : fronts) {
    if (front.watches <= 0) next = std::min(next, front.until);
  }
  return next;
}

void JobTies::Tie(const std::string& id, const std::string& front, absl::Time until) {
  ties_[id] = {.fronts = {{front, {.calls = 1, .until = until}}}};
  due_.Set(id, until);
}

void JobTies::Orphan(const std::string& id, absl::Time until) {
  ties_[id] = {.orphan_until = until};
  due_.Set(id, until);
}

void JobTies::Untie(const std::string& id) {
  ties_.erase(id);
  due_.Erase(id);
}

void JobTies::Hold(const std::string& id, const std::string& front, absl::Time until) {
  const auto found = ties_.find(id);
  if (found == ties_.end()) return;
  Front& holder = found->second.fronts[front];
  ++holder.calls;
  holder.until = until;
  due_.SetAtLatest(id, until);
}

void JobTies::Watch(const std::string& id, const std::string& front, int calls) {
  const auto found = ties_.find(id);
  if (found == ties_.end()) return;
  Front& holder = found->second.fronts[front];
  ++holder.watches;
  holder.calls = std::max(holder.calls, calls);
}

void JobTies::Unwatch(const std::string& id, const std::string& front, absl::Time until) {
  const auto found = ties_.find(id);
  if (found == ties_.end()) return;
  Front& holder = found->second.fronts[front];
  --holder.watches;
  holder.until = until;
  due_.SetAtLatest(id, until);
}

bool JobTies::Leave(const std::string& id, const std::string& front) {
  const auto found = ties_.find(id);
  if (found == ties_.end()) return false;
  Front& holder = found->second.fronts[front];
  holder.calls = std::max(holder.calls - 1, 0);
  if (found->second.wanted()) return false;
  Untie(id);
  return true;
}

void JobTies::Adopt(const std::string& id) {
  const auto found = ties_.find(id);
  if (found != ties_.end() && !found->second.wanted()) Untie(id);
}

std::vector<std::string> JobTies::TakeAbandoned(absl::Time now) {
  std::vector<std::string> abandoned;
  for (const std::string& id : due_.TakeDue(now)) {
    const auto tie = ties_.find(id);
    Ties& ties = tie->second;
    std::erase_if(ties.fronts, [now](const auto& front) {
      return front.second.watches <= 0 && front.second.until <= now;
    });
    if (ties.orphan_until <= now) ties.orphan_until = absl::InfinitePast();
    if (ties.wanted() || ties.orphan_until > now) {
      due_.Set(id, ties.NextDue());
      continue;
    }
    abandoned.push_back(id);
    ties_.erase(tie);
  }
  return abandoned;
}

}  // namespace mind::server
