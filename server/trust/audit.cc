#include "server/trust/audit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr size_t kMaxBytes = 16 << 20;  // that wait for the disk

std::string LineOf(const std::string& action, const nlohmann::ordered_json& fields) {
  nlohmann::ordered_json line = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone())},
      {"action", action}};
  line.update(fields);
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

Audit::Audit(int fd, bool prompts)
    : prompts_(prompts), writer_({.fd = fd, .max_bytes = kMaxBytes, .dropped_line = [](uint64_t dropped) {
                                    return LineOf("lines_dropped", {{"lines", dropped}});
                                  }}) {}

absl::StatusOr<std::unique_ptr<Audit>> Audit::Open(const std::string& file, bool prompts) {
  const int fd = open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat("cannot keep an audit in ", file, ": ", std::strerror(error)));
  }
  return std::unique_ptr<Audit>(new Audit(fd, prompts));
}

void Audit::Write(const std::string& action, const nlohmann::ordered_json& fields) {
  writer_.Write(LineOf(action, fields));
}

}  // namespace mind::server
