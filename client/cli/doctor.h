// `mind doctor`: looks at an installation, and says what is wrong with it and what to do.
#ifndef MIND_CLIENT_CLI_DOCTOR_H_
#define MIND_CLIENT_CLI_DOCTOR_H_

#include <string>
#include <vector>

#include "client/cli/evidence.h"

namespace mind::cli {

struct Finding {
  enum class Level { kOk, kNote, kWarning, kWrong };
  Level level;
  std::string subject;  // "server", "key", …
  std::string text;     // what was found
  std::string advice;   // what to do about it; empty: nothing
};

// In the order in which it is to be read. `version`: this program's.
std::vector<Finding> Examine(const Evidence& seen, const std::string& version);

// Prints what was found. kOk: nothing is wrong, there may be warnings; kFailed: something is; kUnreachable.
int Doctor(client::Client& client, const Common& common, const DoctorOptions& options);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_DOCTOR_H_
