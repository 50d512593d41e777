#include "server/generation/job_ties.h"

#include <algorithm>

namespace mind::server {

bool JobTies::Ties::wanted() const {
  return std::any_of(fronts.begin(), fronts.end(), [](const auto& front) { return front.second.calls > 0; });
}

void JobTies::Tie(const std::string& id, const std::string& front, absl::Time until) {
  ties_[id] = {.fronts = {{front, {.calls = 1, .until = until}}}};
}

void JobTies::Hold(const std::string& id, const std::string& front, absl::Time until) {
  const auto found = ties_.find(id);
  if (found == ties_.end()) return;
  Front& holder = found->second.fronts[front];
  ++holder.calls;
  holder.until = until;
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
}

bool JobTies::Leave(const std::string& id, const std::string& front) {
  const auto found = ties_.find(id);
  if (found == ties_.end()) return false;
  Front& holder = found->second.fronts[front];
  holder.calls = std::max(holder.calls - 1, 0);
  if (found->second.wanted()) return false;
  ties_.erase(found);
  return true;
}

void JobTies::Adopt(const std::string& id) {
  const auto found = ties_.find(id);
  if (found != ties_.end() && !found->second.wanted()) ties_.erase(found);
}

std::vector<std::string> JobTies::TakeAbandoned(absl::Time now) {
  std::vector<std::string> abandoned;
  for (auto next = ties_.begin(); next != ties_.end();) {
    const auto tie = next++;
    Ties& ties = tie->second;
    std::erase_if(ties.fronts, [now](const auto& front) {
      return front.second.watches <= 0 && front.second.until <= now;
    });
    if (ties.wanted() || ties.orphan_until > now) continue;
    abandoned.push_back(tie->first);
    ties_.erase(tie);
  }
  return abandoned;
}

}  // namespace mind::server
