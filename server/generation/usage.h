// What tenants have used, as it is asked for and told.
#ifndef MIND_SERVER_GENERATION_USAGE_H_
#define MIND_SERVER_GENERATION_USAGE_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "mind/v1/generation.pb.h"
#include "server/store/job_reader.h"

namespace mind::server {

// Asks the store by `list`. INVALID_ARGUMENT: the request is wrong. RESOURCE_EXHAUSTED: there is more than
// one answer may hold.
void ListUsage(const v1::ListUsageRequest& request,
               const std::function<void(const UsageQuery&, StoreDone<std::vector<v1::Usage>>)>& list,
               std::function<void(absl::StatusOr<v1::ListUsageResponse>)> answer);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_USAGE_H_
