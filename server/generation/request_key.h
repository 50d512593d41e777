// What makes a request the same as an earlier one: its request_id, and a fingerprint of all it asks for.
#ifndef MIND_SERVER_GENERATION_REQUEST_KEY_H_
#define MIND_SERVER_GENERATION_REQUEST_KEY_H_

#include <string>

#include "absl/status/status.h"
#include "mind/v1/generation.pb.h"

namespace mind::server {

// At most 36 letters, digits, '-' and '_'; may be empty. INVALID_ARGUMENT otherwise.
absl::Status CheckRequestId(const std::string& request_id);

// A hash over the request as it came: spec, pictures, priority (none given is NORMAL) and the deadline that
// is written in it. Equal for a request sent again. A call's own deadline is no part of it: a retry has
// another.
std::string Fingerprint(const v1::JobRequest& request);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_REQUEST_KEY_H_
