// Where objects are kept, as a command line and the environment say it.
#ifndef MIND_SERVER_STORE_S3_OPTIONS_H_
#define MIND_SERVER_STORE_S3_OPTIONS_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "proto/support/web_url.h"
#include "server/store/s3_signature.h"

namespace mind::server {

struct S3Options {
  WebUrl endpoint;     // without a path
  std::string bucket;  // named in paths: "https://s3.example/BUCKET/…"
  std::string prefix;  // of all keys; empty, or ends in '/'
  std::string region;
  S3Credentials credentials;
  std::string ca_file;      // authorities that certificates are to be by; empty: those the system knows
  size_t above = 64 << 10;  // pictures of more bytes are objects
};

// What people write of it; what is empty here may be in the environment, under the names that AWS's own
// programs know.
struct S3Flags {
  std::string place;     // "s3://BUCKET/PREFIX"
  std::string endpoint;  // or AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the region's own at AWS
  std::string region;    // or AWS_REGION, AWS_DEFAULT_REGION
};

// INVALID_ARGUMENT names what is wrong or missing. `environment` gives "" for what is not set.
absl::StatusOr<S3Options> MakeS3Options(const S3Flags& flags,
                                        const std::function<std::string(const char* name)>& environment);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_S3_OPTIONS_H_
