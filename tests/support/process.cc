#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace mind::support {
namespace {

constexpr absl::Duration kProcessPoll = absl::Milliseconds(10);

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int OpenEmptied(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), path);
  return fd;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::string& output_stem)
    : stem_(output_stem) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // Emptied here, not by the child: AwaitLine must not find what an earlier process has said.
  const int out = OpenEmptied(stem_ + ".out"), err = OpenEmptied(stem_ + ".err");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(out);
  close(err);
}

Process::~Process() {
  if (running()) {
    kill(pid_, SIGKILL);
    Wait();
  }
}

bool Process::running() {
  if (!ended_ && waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

void Process::Kill(int signal) {
  if (running()) kill(pid_, signal);
}

void Process::LimitFiles(uint64_t bytes) {
  rlimit limit{};
  bool done = prlimit(pid_, RLIMIT_FSIZE, nullptr, &limit) == 0;
  limit.rlim_cur = bytes;
  done = done && prlimit(pid_, RLIMIT_FSIZE, &limit, nullptr) == 0;
  if (!done) throw std::system_error(errno, std::generic_category(), "prlimit");
}

uint64_t Process::PeakMemory() const {
  for (const absl::string_view line : absl::StrSplit(Slurp(absl::StrCat("/proc/", pid_, "/status")), '\n')) {
    absl::string_view rest = line;
    uint64_t kib = 0;
    if (absl::ConsumePrefix(&rest, "VmHWM:") && absl::ConsumeSuffix(&rest, " kB") &&
        absl::SimpleAtoi(rest, &kib)) {
      return kib << 10;
    }
  }
  throw std::runtime_error(stem_ + " has no memory to speak of");
}

int Process::Wait() {
  if (!ended_) waitpid(pid_, &status_, 0);
  ended_ = true;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

std::string Process::AwaitLine(const std::string& text, absl::Duration patience) {
  const absl::Time give_up = absl::Now() + patience;
  for (;;) {
    const bool ended = !running();  // before its output is read: what it said last counts
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(Output(), '\n'))) {
      if (absl::StrContains(line, text)) return line;
    }
    if (ended) throw std::runtime_error(stem_ + " ended before \"" + text + "\": " + Errors());
    if (absl::Now() > give_up) throw std::runtime_error(stem_ + " did not say \"" + text + "\": " + Errors());
    absl::SleepFor(kProcessPoll);
  }
}

std::string Process::Output() const {
  return Slurp(stem_ + ".out");
}
std::string Process::Errors() const {
  return Slurp(stem_ + ".err");
}

}  // namespace mind::support
