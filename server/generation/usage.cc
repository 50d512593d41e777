#include "server/generation/usage.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/trust/caller.h"

namespace mind::server {
namespace {

constexpr int kMostRows = 10'000;

}  // namespace

void ListUsage(const v1::ListUsageRequest& request,
               const std::function<void(const UsageQuery&, StoreDone<std::vector<v1::Usage>>)>& list,
               std::function<void(absl::StatusOr<v1::ListUsageResponse>)> answer) {
  UsageQuery query{.tenant = request.tenant(), .limit = kMostRows + 1};
  if (!query.tenant.empty() && !ValidateTenant(query.tenant).ok()) {
    return answer(
        InvalidField("tenant", absl::StrCat("\"", Printable(query.tenant), "\" is not a tenant's name")));
  }
  if (request.has_start_time()) query.from = FromTimestamp(request.start_time());
  if (request.has_end_time()) query.to = FromTimestamp(request.end_time());
  if (query.to <= query.from) return answer(InvalidField("end_time", "it must be after start_time"));
  list(query, [answer = std::move(answer)](absl::StatusOr<std::vector<v1::Usage>> rows) {
    if (!rows.ok()) return answer(rows.status());
    if (rows->size() > kMostRows) {
      return answer(MakeError(absl::StatusCode::kResourceExhausted,
                              absl::StrCat("there are more than ", kMostRows,
                                           " rows of usage; ask for a shorter time, or for one tenant"),
                              "USAGE_TOO_LONG"));
    }
    v1::ListUsageResponse response;
    for (v1::Usage& one : *rows) *response.add_usage() = std::move(one);
    answer(std::move(response));
  });
}

}  // namespace mind::server
