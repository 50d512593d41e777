#include "proto/support/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace mind {
namespace {

spdlog::logger& Logger() {
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("mind");
    made->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

void Log(spdlog::level::level_enum level, const std::string& message, const LogFields& fields) {
  LogFields line = {{"message", message}};
  line.update(fields);
  const std::string text = line.dump(-1, ' ', false, LogFields::error_handler_t::replace);
  Logger().log(level, "{}", text.substr(1, text.size() - 2));  // the braces are the pattern's
}

}  // namespace

void LogInfo(const std::string& message, const LogFields& fields) {
  Log(spdlog::level::info, message, fields);
}
void LogWarning(const std::string& message, const LogFields& fields) {
  Log(spdlog::level::warn, message, fields);
}
void LogError(const std::string& message, const LogFields& fields) {
  Log(spdlog::level::err, message, fields);
}

}  // namespace mind
