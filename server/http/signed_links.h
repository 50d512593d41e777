// Links to pictures that say themselves who may follow them: whoever has one, until it expires.
#ifndef MIND_SERVER_HTTP_SIGNED_LINKS_H_
#define MIND_SERVER_HTTP_SIGNED_LINKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/http/message.h"

namespace mind::server {

// How long a link is good.
inline constexpr absl::Duration kLinkLife = absl::Hours(1);

// The picture that a link leads to.
struct LinkedPicture {
  std::string tenant;
  std::string job;
  uint32_t index = 0;
};

// "/v1/files/JOB/INDEX?tenant=…&expires=…&signature=…": the signature is HMAC-SHA256 over all the rest.
// REQUIRES: tenant and job need no encoding in a URL, which names and ids of ours do not.
std::string SignedLink(const LinkedPicture& picture, absl::Time expires, const std::string& secret);

// The picture that a request for a link means. PERMISSION_DENIED: it is not signed with one of the secrets
// (BAD_SIGNATURE), or has expired (LINK_EXPIRED). `job` and `index` are what its path says.
absl::StatusOr<LinkedPicture> FollowLink(const HttpRequest& request, const std::string& job,
                                         const std::string& index, const std::vector<std::string>& secrets,
                                         absl::Time now);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SIGNED_LINKS_H_
