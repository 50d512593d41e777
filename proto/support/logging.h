// Structured logs: one JSON object a line on standard error, with the fields that tell whose line it is.
#ifndef MIND_PROTO_SUPPORT_LOGGING_H_
#define MIND_PROTO_SUPPORT_LOGGING_H_

#include <nlohmann/json.hpp>
#include <string>

namespace mind {

// {"time", "level", "message", then the fields given}. Any thread may call.
//   LogInfo("job started", {{"job", id}, {"attempt", 2}, {"worker", name}});
// Prompts are never logged.
using LogFields = nlohmann::ordered_json;

void LogInfo(const std::string& message, const LogFields& fields = LogFields::object());
void LogWarning(const std::string& message, const LogFields& fields = LogFields::object());
void LogError(const std::string& message, const LogFields& fields = LogFields::object());

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_LOGGING_H_
