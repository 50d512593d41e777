#include "server/generation/request_key.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/store/blob.h"

namespace mind::server {
namespace {

constexpr size_t kMaxRequestId = 36;

// The same bytes for equal messages, maps included.
std::string Deterministic(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

absl::Status CheckRequestId(const std::string& request_id) {
  const bool allowed = std::all_of(request_id.begin(), request_id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
  if (allowed && request_id.size() <= kMaxRequestId) return absl::OkStatus();
  return InvalidField("request_id", absl::StrCat("\"", Printable(request_id), "\" given; it must be at most ",
                                                 kMaxRequestId, " letters, digits, '-' and '_'"));
}

std::string Fingerprint(const v1::JobRequest& request) {
  v1::JobRequest asked = request;
  asked.clear_request_id();
  if (asked.priority() == v1::PRIORITY_UNSPECIFIED) asked.set_priority(v1::PRIORITY_NORMAL);
  return Sha256(Deterministic(asked));
}

}  // namespace mind::server
