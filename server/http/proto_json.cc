#include "server/http/proto_json.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {

namespace proto = google::protobuf::util;

std::string ToJson(const google::protobuf::Message& message) {
  proto::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  // Fails for messages that are no JSON (an Any of an unknown type), which ours do not hold.
  if (const auto status = proto::MessageToJsonString(message, &text, options); !status.ok()) {
    return absl::StrCat(R"({"error": "cannot be shown as JSON"})");
  }
  return text;
}

std::string ReadJson(const std::string& text, google::protobuf::Message* message) {
  const auto status = proto::JsonStringToMessage(text, message);
  return status.ok() ? "" : Printable(status.message().as_string(), 300);
}

absl::Status FromJson(const std::string& text, google::protobuf::Message* message) {
  const std::string wrong = ReadJson(text, message);
  if (wrong.empty()) return absl::OkStatus();
  return InvalidField("body", absl::StrCat("the request's body is not a ",
                                           message->GetDescriptor()->full_name(), " in JSON: ", wrong));
}

HttpResponse JsonResponse(const google::protobuf::Message& message, int status) {
  return Answered(status, "application/json", ToJson(message));
}

}  // namespace mind::server
