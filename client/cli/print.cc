#include "client/cli/print.h"

#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <string>

#include "client/cli/outcome.h"
#include "proto/support/errors.h"

namespace mind::cli {

void PrintJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return;
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

int ReportError(const absl::Status& status, const Common& common) {
  if (common.json) PrintJson(ToProto(status));
  std::fprintf(stderr, "mind: %s\n", Explain(status, common.server).c_str());
  return ExitCodeOf(status);
}

}  // namespace mind::cli
