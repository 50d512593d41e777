// AWS Signature Version 4, as S3 wants it: who asks, told by a secret that is not sent.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
#ifndef MIND_SERVER_STORE_S3_SIGNATURE_H_
#define MIND_SERVER_STORE_S3_SIGNATURE_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace mind::server {

struct S3Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // of credentials that are lent for a time; empty: they are not
};

// What is signed of a request.
struct S3Request {
  std::string method;
  std::string host;  // as the request names it
  std::string path;  // encoded (S3Path)
  std::map<std::string, std::string> query = {};
  std::map<std::string, std::string> headers = {};  // beside host and those of the signature; lower case
};

class S3Signer {
 public:
  S3Signer(S3Credentials credentials, std::string region)
      : credentials_(std::move(credentials)), region_(std::move(region)) {}

  // The header fields to add to a request: those it was given, the time, the hash of the body and the
  // signature over all of it. `body_sha256` in hexadecimal digits.
  std::map<std::string, std::string> SignHeaders(S3Request request, const std::string& body_sha256,
                                                 absl::Time now) const;
  // The request's path and query with a signature in it: whoever has them may send this request, with the
  // given header fields and any body, until it expires. REQUIRES: `life` is from 1 s to 7 days.
  std::string Presign(S3Request request, absl::Duration life, absl::Time now) const;

 private:
  std::string Scope(const std::string& day) const;
  // In hexadecimal digits.
  std::string Signature(const std::string& canonical_request, const std::string& time) const;

  const S3Credentials credentials_;
  const std::string region_;
};

// Each byte but letters, digits, '-', '.', '_' and '~' as %XX; of a path slashes stay.
std::string S3Encode(std::string_view text);
std::string S3Path(std::string_view path);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_S3_SIGNATURE_H_
