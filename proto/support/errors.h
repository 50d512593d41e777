// Errors as they travel: absl::Status inside a process, with google.rpc details as payloads; grpc::Status on
// the wire; google.rpc.Status inside messages. The one table between them.
#ifndef MIND_PROTO_SUPPORT_ERRORS_H_
#define MIND_PROTO_SUPPORT_ERRORS_H_

#include <grpcpp/support/status.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace mind {

// Domain of every ErrorInfo.
inline constexpr char kErrorDomain[] = "mind.v1";

using ErrorMetadata = std::map<std::string, std::string>;

// A status with ErrorInfo. Texts of more than about 1 KiB are cut, here and in what follows. `reason` is
// UPPER_SNAKE, at most 63 characters; metadata keys are camelCase.
absl::Status MakeError(absl::StatusCode code, const std::string& message, const std::string& reason,
                       const ErrorMetadata& metadata = {});

// INVALID_ARGUMENT with BadRequest: `field` is a proto field path ("spec.steps").
absl::Status InvalidField(const std::string& field, const std::string& description);
// NOT_FOUND with ResourceInfo: type "model" or "job".
absl::Status NotFound(const std::string& type, const std::string& name, const std::string& description);
// RESOURCE_EXHAUSTED with QuotaFailure and RetryInfo: `subject` is whose limit it is ("tenant:acme").
absl::Status QuotaExceeded(const std::string& subject, const std::string& description,
                           const std::string& reason, absl::Duration delay);
// Adds RetryInfo to a status.
absl::Status WithRetry(absl::Status status, absl::Duration delay);

// Says in a status that has ErrorInfo, as its metadata "traceId", which trace it belongs to, if any.
absl::Status WithTraceId(absl::Status status, const std::string& trace_id);

std::optional<google::rpc::BadRequest> GetBadRequest(const absl::Status& status);
std::optional<absl::Duration> GetRetryDelay(const absl::Status& status);
std::optional<google::rpc::ErrorInfo> GetErrorInfo(const absl::Status& status);

google::rpc::Status ToProto(const absl::Status& status);
absl::Status FromProto(const google::rpc::Status& status);
// Always fits the metadata that clients take: texts are cut, details too large left out.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// For messages and terminals: what is not UTF-8, which gRPC refuses, and control characters but newline and
// tab become '?'; long texts are cut to `limit` bytes.
std::string Printable(std::string_view text, size_t limit = 200);
bool IsValidUtf8(std::string_view text);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_ERRORS_H_
