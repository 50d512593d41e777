#include "server/http/signed_links.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/support/digest.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

// What is signed: no part can hold a newline.
std::string Signed(const LinkedPicture& picture, int64_t expires) {
  return absl::StrCat(picture.tenant, "\n", picture.job, "\n", picture.index, "\n", expires);
}

std::string Signature(const std::string& text, const std::string& secret) {
  return absl::WebSafeBase64Escape(HmacSha256(secret, text));
}

// In a time that does not tell how much of it is right.
bool Same(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::string SignedLink(const LinkedPicture& picture, absl::Time expires, const std::string& secret) {
  const int64_t seconds = absl::ToUnixSeconds(expires);
  return absl::StrCat("/v1/files/", picture.job, "/", picture.index, "?tenant=", picture.tenant,
                      "&expires=", seconds, "&signature=", Signature(Signed(picture, seconds), secret));
}

absl::StatusOr<LinkedPicture> FollowLink(const HttpRequest& request, const std::string& job,
                                         const std::string& index, const std::vector<std::string>& secrets,
                                         absl::Time now) {
  LinkedPicture picture{.tenant = request.Query("tenant"), .job = job};
  int64_t expires = 0;
  const bool whole =
      absl::SimpleAtoi(index, &picture.index) && absl::SimpleAtoi(request.Query("expires"), &expires);
  const std::string text = Signed(picture, expires);
  const bool ours = std::any_of(secrets.begin(), secrets.end(), [&](const std::string& secret) {
    return Same(Signature(text, secret), request.Query("signature"));
  });
  if (!whole || !ours) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "this link was not made by this server, or is too old", "BAD_SIGNATURE");
  }
  if (now >= absl::FromUnixSeconds(expires)) {
    return MakeError(absl::StatusCode::kPermissionDenied, "this link has expired", "LINK_EXPIRED");
  }
  return picture;
}

}  // namespace mind::server
