#include "server/http/status.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "proto/support/errors.h"

namespace mind::server {

int HttpStatusOf(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      // Without a time to come again it is the request that is too large.
      return GetRetryDelay(error) ? 429 : 422;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

void AddRetryHeaders(const absl::Status& error, HttpResponse& response) {
  const std::optional<absl::Duration> delay = GetRetryDelay(error);
  if (!delay) return;
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(*delay, absl::Seconds(1)));
  response.headers.emplace_back("retry-after", absl::StrCat(seconds));
  response.headers.emplace_back("retry-after-ms", absl::StrCat(absl::ToInt64Milliseconds(*delay)));
}

HttpResponse ErrorResponse(const absl::Status& error) {
  const google::rpc::Status proto = ToProto(error);
  nlohmann::json details = nlohmann::json::array();
  for (const google::protobuf::Any& detail : proto.details()) {
    std::string json;
    if (google::protobuf::util::MessageToJsonString(detail, &json).ok())
      details.push_back(nlohmann::json::parse(json));
  }
  const int status = HttpStatusOf(error);
  const nlohmann::json body = {{"error",
                                {{"code", status},
                                 {"status", absl::StatusCodeToString(error.code())},
                                 {"message", proto.message()},
                                 {"details", details}}}};
  HttpResponse response = Answered(status, "application/json",
                                   body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  AddRetryHeaders(error, response);
  return response;
}

}  // namespace mind::server
