#include "server/store/s3_error.h"

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr absl::Duration kObjectsRetry = absl::Seconds(5);

absl::Status Error(const std::string& reason, const std::string& message) {
  return WithRetry(MakeError(absl::StatusCode::kUnavailable, "the object store " + message, reason),
                   kObjectsRetry);
}

// What stands in the first element of this name.
std::string Element(const std::string& xml, const std::string& name) {
  const std::string open = absl::StrCat("<", name, ">"), close = absl::StrCat("</", name, ">");
  const size_t begin = xml.find(open);
  if (begin == std::string::npos) return "";
  const size_t end = xml.find(close, begin);
  if (end == std::string::npos) return "";
  return Printable(xml.substr(begin + open.size(), end - begin - open.size()));
}

std::string Refusal(const S3Options& options, const std::string& key, const std::string& code,
                    const std::string& message, const HttpCall::Answer& answer, absl::Time now) {
  const std::string& id = options.credentials.access_key_id;
  if (code == "SignatureDoesNotMatch") {
    return absl::StrCat("does not take the secret of the key ", id,
                        ": AWS_SECRET_ACCESS_KEY is another's, or ", options.region, " is not its region");
  }
  if (code == "InvalidAccessKeyId") return absl::StrCat("knows no key ", id, " (AWS_ACCESS_KEY_ID)");
  if (code == "ExpiredToken" || code == "InvalidToken") {
    return absl::StrCat("does not take the session's token any more (AWS_SESSION_TOKEN): ", message);
  }
  if (code == "RequestTimeTooSkewed") {
    return absl::StrCat("has another time: it is ", absl::FormatTime(now, absl::UTCTimeZone()), " here and ",
                        answer.Field("Date"), " there; set this machine's clock");
  }
  if (const std::string region = Element(answer.body, "Region"); !region.empty()) {
    return absl::StrCat("expects the region ", region, ", not ", options.region,
                        " (--s3-region, AWS_REGION)");
  }
  return absl::StrCat("does not let the key ", id, " at ", options.bucket, "/", options.prefix, key, ": ",
                      answer.status, " ", code, " ", message);
}

}  // namespace

absl::Status S3Status(const S3Options& options, const std::string& key,
                      const absl::StatusOr<HttpCall::Answer>& answer, absl::Time now) {
  const std::string where = options.endpoint.Origin();
  if (!answer.ok()) {
    return Error(kS3Unreachable,
                 absl::StrCat(where, " does not answer: ", std::string(answer.status().message())));
  }
  const int status = answer->status;
  if (status / 100 == 2) return absl::OkStatus();
  const std::string code = Element(answer->body, "Code"), message = Element(answer->body, "Message");
  if (status >= 500 || status == 429) {
    return Error(kS3Failing,
                 absl::StrCat(where, " has trouble of its own: ", status, " ", code, " ", message));
  }
  if (code == "NoSuchBucket") {
    return Error(kS3NotFound, absl::StrCat(where, " has no bucket ", options.bucket));
  }
  if (status == 404) {
    return Error(kS3NotFound, absl::StrCat(where, " has no ", options.bucket, "/", options.prefix, key));
  }
  return Error(kS3Refused, absl::StrCat(where, " ", Refusal(options, key, code, message, *answer, now)));
}

bool MayPass(const absl::Status& error) {
  const auto info = GetErrorInfo(error);
  return info && (info->reason() == kS3Unreachable || info->reason() == kS3Failing);
}

}  // namespace mind::server
