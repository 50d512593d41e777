// Structured logs: one JSON object a line on standard error, with the fields that tell whose line it is.
#ifndef MIND_PROTO_SUPPORT_LOGGING_H_
#define MIND_PROTO_SUPPORT_LOGGING_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/time.h"

namespace mind {

// {"time", "level", "message", then the fields given}. Any thread may call; none waits for standard error: a
// thread of its own writes there, and where that cannot keep up, lines are dropped and counted
// ("lines_dropped"). Texts longer than 1 KiB are cut.
//   LogInfo("job started", {{"job", id}, {"attempt", 2}, {"worker", name}});
// Prompts are never logged.
using LogFields = nlohmann::ordered_json;

void LogInfo(const std::string& message, const LogFields& fields = LogFields::object());
void LogWarning(const std::string& message, const LogFields& fields = LogFields::object());
void LogError(const std::string& message, const LogFields& fields = LogFields::object());

// Waits until all lines so far are written, or the time is over. Done by itself when the process ends by
// exit().
void FlushLogs(absl::Duration limit);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_LOGGING_H_
