// How errors look to a person, and what a script can tell from the exit status.
#ifndef MIND_CLIENT_CLI_OUTCOME_H_
#define MIND_CLIENT_CLI_OUTCOME_H_

#include <string>

#include "absl/status/status.h"

namespace mind::cli {

// Exit statuses, documented in `mind --help` and docs/api.md.
enum ExitCode {
  kOk = 0,
  kFailed = 1,       // the job failed, or something unexpected
  kUsage = 2,        // the command line, or the server says a field is not allowed
  kUnreachable = 3,  // no server, or it has no worker yet
  kNotFound = 4,     // no such model or job
  kQueueFull = 5,    // or a limit is reached: try again later
  kDeadline = 6,     // the deadline passed
  kCancelled = 7,    // the job was cancelled, here or elsewhere
  kNotAllowed = 8,   // the key or certificate is not accepted, or does not allow this
};

// kQueueFull only where trying again helps: a job that found no memory has failed.
ExitCode ExitCodeOf(const absl::Status& status);
// One or two lines: what went wrong and what can be done about it. For a terminal, whatever the server sends.
std::string Explain(const absl::Status& status, const std::string& server);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_OUTCOME_H_
