// The one table from errors to HTTP:
// https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, but that what may not be tried
// again is never 409 nor 429, which clients do try again.
#ifndef MIND_SERVER_HTTP_STATUS_H_
#define MIND_SERVER_HTTP_STATUS_H_

#include "absl/status/status.h"
#include "server/http/message.h"

namespace mind::server {

int HttpStatusOf(const absl::Status& error);

// retry-after (seconds, rounded up) and retry-after-ms, where the error says when to come again.
void AddRetryHeaders(const absl::Status& error, HttpResponse& response);

// {"error": {"code": 404, "status": "NOT_FOUND", "message": …, "details": […]}}, as Google's APIs answer
// (AIP-193); details are google.rpc's, in protobuf's JSON.
HttpResponse ErrorResponse(const absl::Status& error);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_STATUS_H_
