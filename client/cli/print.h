// How subcommands of `mind` print what they were told.
#ifndef MIND_CLIENT_CLI_PRINT_H_
#define MIND_CLIENT_CLI_PRINT_H_

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "client/cli/commands.h"

namespace mind::cli {

// One JSON object on a line of standard output.
void PrintJson(const google::protobuf::Message& message);
// Says what a server has refused; gives the exit status.
int ReportError(const absl::Status& status, const Common& common);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_PRINT_H_
