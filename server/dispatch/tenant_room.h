// How many pictures workers have of each tenant, against how many they may have at a time.
//
// Plain state, like the dispatcher it belongs to.
#ifndef MIND_SERVER_DISPATCH_TENANT_ROOM_H_
#define MIND_SERVER_DISPATCH_TENANT_ROOM_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace mind::server {

class TenantRoom {
 public:
  // 0: there is no limit. It may change at any time: what runs is let run.
  using LimitOf = std::function<uint32_t(const std::string& tenant)>;
  explicit TenantRoom(LimitOf limit_of) : limit_of_(std::move(limit_of)) {}

  // A worker gets a picture of the tenant's; has it no more, whatever has become of it.
  void Begin(const std::string& tenant) { ++running_[tenant]; }
  void End(const std::string& tenant) {
    const auto found = running_.find(tenant);
    if (--found->second == 0) running_.erase(found);
  }

  // Whether a worker may get one more.
  bool Has(const std::string& tenant) const {
    const uint32_t limit = limit_of_(tenant);
    return limit == 0 || Running(tenant) < limit;
  }
  int64_t Running(const std::string& tenant) const {
    const auto found = running_.find(tenant);
    return found == running_.end() ? 0 : found->second;
  }

 private:
  const LimitOf limit_of_;
  absl::flat_hash_map<std::string, int64_t> running_;  // none is 0
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_TENANT_ROOM_H_
