#include "client/cli/outcome.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/support/errors.h"

namespace mind::cli {
namespace {

constexpr size_t kMaxText = 10'000;  // bytes
// With this begins what we have to say of one; what gRPC says of it goes before.
constexpr char kCertificate[] = "the server's certificate";

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
      return kUsage;
    case absl::StatusCode::kUnavailable:
      return kUnreachable;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kResourceExhausted:
      return GetRetryDelay(status) ? kQueueFull : kFailed;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return kNotAllowed;
    case absl::StatusCode::kDeadlineExceeded:
      return kDeadline;
    case absl::StatusCode::kCancelled:
      return kCancelled;
    default:
      return kFailed;
  }
}

std::string Explain(const absl::Status& status, const std::string& server) {
  std::string text(status.message());
  if (const auto bad = GetBadRequest(status)) {
    text = "the server does not accept this:";
    for (const auto& violation : bad->field_violations()) {
      absl::StrAppend(&text, " ", violation.field(), ": ", violation.description());
    }
  } else if (const size_t at = text.find(kCertificate);
             absl::IsUnavailable(status) && at != std::string::npos) {
    text = absl::StrCat("the server at ", server, " is not to be trusted: ", text.substr(at));
  } else if (absl::IsUnavailable(status) && !GetErrorInfo(status)) {
    text = absl::StrCat("cannot reach a server at ", server, " (", status.message(),
                        ")\nIs mind-server running there? --server HOST:PORT or MIND_SERVER names another.");
  }
  const auto info = GetErrorInfo(status);
  if (info && absl::StartsWith(info->reason(), "API_KEY_")) {
    absl::StrAppend(&text,
                    "\n--key or MIND_KEY gives a key; who runs the server makes them (mind keys create).");
  }
  if (const auto delay = GetRetryDelay(status)) {
    absl::StrAppend(&text, "\nTry again in ", absl::FormatDuration(*delay), ".");
  }
  return Printable(text, kMaxText);
}

}  // namespace mind::cli
