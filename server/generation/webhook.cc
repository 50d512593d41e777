#include "server/generation/webhook.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/errors.h"
#include "proto/support/web_url.h"

namespace mind::server {

absl::Status CheckWebhook(const std::string& url, const std::vector<std::string>& origins) {
  if (url.empty()) return absl::OkStatus();
  const std::optional<WebUrl> parsed = ParseWebUrl(url);
  if (!parsed) {
    return InvalidField("webhook_url",
                        absl::StrCat("\"", Printable(url, 100), "\" is not an http or https URL of at most ",
                                     kMaxWebUrl, " bytes without a user's name"));
  }
  const bool allowed = std::any_of(origins.begin(), origins.end(), [&](const std::string& origin) {
    const std::optional<WebUrl> one = ParseWebUrl(origin);
    return one && one->Origin() == parsed->Origin();
  });
  if (allowed) return absl::OkStatus();
  return InvalidField(
      "webhook_url",
      origins.empty()
          ? absl::StrCat(Printable(parsed->Origin()), " given; this server tells nobody of jobs")
          : absl::StrCat(Printable(parsed->Origin()), " given; allowed are ", absl::StrJoin(origins, ", ")));
}

}  // namespace mind::server
