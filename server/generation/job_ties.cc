#include "server/generation/job_ties.h"

namespace mind::server {

void JobTies::Hold(const std::string& id) {
  const auto found = ties_.find(id);
  if (found == ties_.end()) return;
  ++found->second.calls;
  found->second.until = absl::InfiniteFuture();
}

bool JobTies::Leave(const std::string& id) {
  const auto found = ties_.find(id);
  if (found == ties_.end() || --found->second.calls > 0) return false;
  ties_.erase(found);
  return true;
}

void JobTies::Adopt(const std::string& id) {
  const auto found = ties_.find(id);
  if (found != ties_.end() && found->second.calls == 0) ties_.erase(found);
}

std::vector<std::string> JobTies::TakeAbandoned(absl::Time now) {
  std::vector<std::string> abandoned;
  std::erase_if(ties_, [&](const auto& entry) {
    if (entry.second.until > now) return false;
    abandoned.push_back(entry.first);
    return true;
  });
  return abandoned;
}

}  // namespace mind::server
