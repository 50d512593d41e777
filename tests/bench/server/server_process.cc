#include "tests/bench/server/server_process.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mind::bench {
namespace {

constexpr char kSaysPort[] = "listening on port ";
constexpr char kSaysHttpPort[] = "http on port ";

std::string PortIn(const std::string& line) {
  const std::string rest = line.substr(line.find(kSaysPort) + sizeof kSaysPort - 1);
  return rest.substr(0, rest.find_first_not_of("0123456789"));
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& command, const std::string& output_stem,
                             absl::Duration patience)
    : process_(command, output_stem),
      address_(absl::StrCat("127.0.0.1:", PortIn(process_.AwaitLine(kSaysPort, patience)))) {
  // Said before it.
  const std::string output = process_.Output();
  const size_t http = output.find(kSaysHttpPort);
  if (http != std::string::npos) http_port_ = std::atoi(output.c_str() + http + sizeof kSaysHttpPort - 1);
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
