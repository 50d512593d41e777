#include "tests/bench/server/server_process.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/support/loopback.h"

namespace mind::bench {
namespace {

constexpr char kSaysPort[] = "listening on port ";
constexpr char kSaysHttpPort[] = "http on port ";
constexpr char kSaysMetricsPort[] = "metrics on port ";

// 0: the output does not say it.
int PortIn(const std::string& output, const std::string& says) {
  const size_t at = output.find(says);
  return at == std::string::npos ? 0 : std::atoi(output.c_str() + at + says.size());
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& command, const std::string& output_stem,
                             absl::Duration patience)
    : process_(command, output_stem) {
  process_.AwaitLine(kSaysPort, patience);  // the last of what it says
  const std::string output = process_.Output();
  address_ = absl::StrCat("127.0.0.1:", PortIn(output, kSaysPort));
  http_port_ = PortIn(output, kSaysHttpPort);
  metrics_port_ = PortIn(output, kSaysMetricsPort);
}

double ServerProcess::CpuSeconds() const {
  clockid_t clock{};
  timespec time{};
  if (const int error = clock_getcpuclockid(process_.pid(), &clock); error != 0)
    throw std::system_error(error, std::generic_category(), "clock_getcpuclockid");
  if (clock_gettime(clock, &time) != 0)
    throw std::system_error(errno, std::generic_category(), "clock_gettime");
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double ServerProcess::ResidentMebibytes() const {
  std::ifstream file(absl::StrCat("/proc/", process_.pid(), "/status"));
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    double kibibytes = 0;
    if (absl::ConsumePrefix(&rest, "VmRSS:") && absl::ConsumeSuffix(&rest, " kB") &&
        absl::SimpleAtod(rest, &kibibytes))
      return kibibytes / 1024;
  }
  throw std::runtime_error("the server has ended");
}

double ServerProcess::Metric(const std::string& sample) const {
  const std::string page = support::HttpGet(support::Connect(metrics_port_), "/metrics");
  double sum = 0;
  bool found = false;
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    double value = 0;
    if (!absl::StartsWith(line, sample) || !absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value))
      continue;
    sum += value;
    found = true;
  }
  if (!found) throw std::runtime_error(absl::StrCat("the server has no metric ", sample));
  return sum;
}

MindServer::MindServer(std::string program, const std::string& folder, std::vector<std::string> flags)
    : folder_(folder), command_{std::move(program),      "--listen=127.0.0.1:0",
                                "--metrics=127.0.0.1:0", absl::StrCat("--data=", (folder_ / "data").string()),
                                "--max-wait=100000h",    "--lease=1h"} {
  if (flags.empty()) flags = {"--max-queue=1100000"};
  command_.insert(command_.end(), flags.begin(), flags.end());
  Restart();
}

void MindServer::Restart(absl::Duration patience) {
  process_.reset();
  process_ = std::make_unique<ServerProcess>(command_, (folder_ / "server").string(), patience);
}

}  // namespace mind::bench
