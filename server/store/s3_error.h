// What an S3 endpoint's answers mean to us.
#ifndef MIND_SERVER_STORE_S3_ERROR_H_
#define MIND_SERVER_STORE_S3_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/support/http_call.h"
#include "server/store/s3_options.h"

namespace mind::server {

// Reasons of errors: nobody answers, or not in time; the endpoint has trouble of its own; it does not let us
// do it; there is no such bucket or object.
inline constexpr char kS3Unreachable[] = "OBJECTS_UNREACHABLE";
inline constexpr char kS3Failing[] = "OBJECTS_FAILING";
inline constexpr char kS3Refused[] = "OBJECTS_REFUSED";
inline constexpr char kS3NotFound[] = "OBJECTS_NOT_FOUND";

// Of what was asked about `key`: OK, or UNAVAILABLE with one of those reasons. It names what a person can do.
absl::Status S3Status(const S3Options& options, const std::string& key,
                      const absl::StatusOr<HttpCall::Answer>& answer, absl::Time now);
// Whether asking again without a change of settings may help.
bool MayPass(const absl::Status& error);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_S3_ERROR_H_
