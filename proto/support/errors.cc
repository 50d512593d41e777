#include "proto/support/errors.h"

#include <grpcpp/support/error_details.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/time.h"

namespace mind {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";
// gRPC's clients take 8 KiB of metadata, and an error travels there twice: percent-encoded as the message,
// and in base64 within the details.
constexpr size_t kMaxTextBytes = 1000;
constexpr size_t kMaxDetails = 3500;

template <typename Detail>
std::string TypeUrl() {
  return absl::StrCat(kTypePrefix, Detail::descriptor()->full_name());
}

template <typename Detail>
void SetDetail(absl::Status& status, const Detail& detail) {
  status.SetPayload(TypeUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

template <typename Detail>
std::optional<Detail> GetDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Detail>());
  Detail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

// Length of the UTF-8 sequence at the start of `text`, 0 if it is not one.
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xC2 && first < 0xE0 ? 2
                        : (first & 0xF0) == 0xE0        ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and code points past the last plane.
  if (length == 3 && ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F))) return 0;
  if (length == 4 && ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F))) return 0;
  return length;
}

// What a terminal acts on instead of showing it, but for the ends of lines and tabs.
bool IsControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x20) return first != '\n' && first != '\t';
  return first == 0x7F || (first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0);
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, const std::string& message, const std::string& reason,
                       const ErrorMetadata& metadata) {
  absl::Status status(code, Printable(message, kMaxTextBytes));
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kErrorDomain);
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  SetDetail(status, info);
  return status;
}

absl::Status InvalidField(const std::string& field, const std::string& description) {
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, ": ", description),
                                  "INVALID_FIELD", {{"field", field}});
  google::rpc::BadRequest bad;
  auto* const violation = bad.add_field_violations();
  violation->set_field(field);
  violation->set_description(Printable(description, kMaxTextBytes));
  SetDetail(status, bad);
  return status;
}

absl::Status NotFound(const std::string& type, const std::string& name, const std::string& description) {
  absl::Status status = MakeError(absl::StatusCode::kNotFound, description,
                                  type == "model" ? "UNKNOWN_MODEL" : "UNKNOWN_JOB", {{type, name}});
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(type);
  resource.set_resource_name(name);
  resource.set_description(Printable(description, kMaxTextBytes));
  SetDetail(status, resource);
  return status;
}

absl::Status QuotaExceeded(const std::string& subject, const std::string& description,
                           const std::string& reason, absl::Duration delay) {
  absl::Status status = MakeError(absl::StatusCode::kResourceExhausted, description, reason);
  google::rpc::QuotaFailure failure;
  google::rpc::QuotaFailure::Violation& violation = *failure.add_violations();
  violation.set_subject(Printable(subject));
  violation.set_description(Printable(description, kMaxTextBytes));
  SetDetail(status, failure);
  return WithRetry(std::move(status), delay);
}

absl::Status WithRetry(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = ToDuration(delay);
  SetDetail(status, retry);
  return status;
}

absl::Status WithTraceId(absl::Status status, const std::string& trace_id) {
  std::optional<google::rpc::ErrorInfo> info = GetErrorInfo(status);
  if (!info || trace_id.empty()) return status;
  (*info->mutable_metadata())["traceId"] = trace_id;
  SetDetail(status, *info);
  return status;
}

std::optional<google::rpc::BadRequest> GetBadRequest(const absl::Status& status) {
  return GetDetail<google::rpc::BadRequest>(status);
}

std::optional<absl::Duration> GetRetryDelay(const absl::Status& status) {
  const auto retry = GetDetail<google::rpc::RetryInfo>(status);
  if (!retry) return std::nullopt;
  return FromDuration(retry->retry_delay());
}

std::optional<google::rpc::ErrorInfo> GetErrorInfo(const absl::Status& status) {
  return GetDetail<google::rpc::ErrorInfo>(status);
}

google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(std::string(status.message()));
  // A status has them in another order each time it is made; who compares two answers shall not have to sort
  // them.
  std::map<std::string, std::string> details;
  status.ForEachPayload([&details](absl::string_view url, const absl::Cord& payload) {
    details.emplace(std::string(url), std::string(payload));
  });
  for (auto& [url, payload] : details) {
    auto* const detail = proto.add_details();
    detail->set_type_url(url);
    detail->set_value(std::move(payload));
  }
  return proto;
}

absl::Status FromProto(const google::rpc::Status& proto) {
  absl::Status status(static_cast<absl::StatusCode>(proto.code()), proto.message());
  for (const auto& detail : proto.details()) status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  return status;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status proto = ToProto(status);
  proto.set_message(Printable(proto.message(), kMaxTextBytes));
  auto& details = *proto.mutable_details();
  while (proto.ByteSizeLong() > kMaxDetails && !details.empty()) {
    details.erase(std::max_element(details.begin(), details.end(), [](const auto& one, const auto& other) {
      return one.value().size() < other.value().size();
    }));
  }
  grpc::Status result;
  grpc::SetErrorDetails(proto, &result);
  return result;
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status proto;
  if (!status.error_details().empty() && grpc::ExtractErrorDetails(status, &proto).ok() &&
      proto.code() != 0) {
    return FromProto(proto);
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

std::string Printable(std::string_view text, size_t limit) {
  std::string out;
  while (!text.empty() && out.size() < limit) {
    const size_t length = Utf8Length(text);
    if (length == 0 || IsControl(text.substr(0, length))) {
      out.push_back('?');
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return text.empty() ? out : out + "…";
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace mind
