#include "proto/support/logging.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/line_writer.h"
#include "proto/support/quiet_logs.h"

namespace mind {
namespace {

constexpr size_t kMaxFieldBytes = 1024;
std::atomic<int> quiet = 0;  // how many QuietLogs there are

constexpr absl::Duration kLastLines = absl::Seconds(1);
constexpr char kPattern[] = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";

std::string DroppedLine(uint64_t dropped) {
  return absl::StrCat(
      R"({"time":")", absl::FormatTime("%Y-%m-%dT%H:%M:%E3S%Ez", absl::Now(), absl::LocalTimeZone()),
      R"(","level":"warning","message":"standard error could not keep up","lines_dropped":)", dropped, "}\n");
}

// Lives on while the process ends: threads may still log.
LineWriter& Writer() {
  static LineWriter* const writer = [] {
    std::atexit([] { FlushLogs(kLastLines); });
    return new LineWriter({.dropped_line = DroppedLine});
  }();
  return *writer;
}

// Formats as spdlog does, and leaves the writing to the writer.
class WriterSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    Writer().Write(std::string(line.data(), line.size()));
  }
  void flush_() override {}
};

spdlog::logger& Logger() {
  static spdlog::logger* const logger = [] {
    auto* const made = new spdlog::logger("mind", std::make_shared<WriterSink>());
    made->set_pattern(kPattern);
    return made;
  }();
  return *logger;
}

void Log(spdlog::level::level_enum level, const std::string& message, const LogFields& fields) {
  if (quiet > 0) return;
  LogFields line = {{"message", message}};
  line.update(fields);
  for (auto& field : line) {
    if (field.is_string()) field = Printable(field.get_ref<const std::string&>(), kMaxFieldBytes);
  }
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

QuietLogs::QuietLogs() {
  ++quiet;
}
QuietLogs::~QuietLogs() {
  --quiet;
}

void FlushLogs(absl::Duration limit) {
  Writer().Flush(limit);
}

}  // namespace mind
