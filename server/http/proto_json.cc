#include "server/http/proto_json.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {

namespace json = google::protobuf::util;

std::string ToJson(const google::protobuf::Message& message) {
  json::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  // Fails for messages that are no JSON (an Any of an unknown type), which ours do not hold.
  if (const auto status = json::MessageToJsonString(message, &text, options); !status.ok()) {
    return absl::StrCat(R"({"error": "cannot be shown as JSON"})");
  }
  return text;
}

absl::Status FromJson(const std::string& text, google::protobuf::Message* message) {
  const auto status = json::JsonStringToMessage(text, message);
  if (status.ok()) return absl::OkStatus();
  return InvalidField("body",
                      absl::StrCat("the request's body is not a ", message->GetDescriptor()->full_name(),
                                   " in JSON: ", Printable(status.message().as_string(), 300)));
}

HttpResponse JsonResponse(const google::protobuf::Message& message, int status) {
  return Answered(status, "application/json", ToJson(message));
}

}  // namespace mind::server
