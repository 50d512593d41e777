#include "tests/support/stopped_thread.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace mind::support {
namespace {

// -1: there is none of that name.
pid_t FindThread(pid_t process, const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat("/proc/", process, "/task"))) {
    std::ifstream file(entry.path() / "comm");
    std::string comm;
    if (std::getline(file, comm) && comm == name) return std::stoi(entry.path().filename());
  }
  return -1;
}

}  // namespace

StoppedThread::StoppedThread(const Process& process, const std::string& name)
    : thread_(FindThread(process.pid(), name)) {
  if (thread_ < 0) throw std::runtime_error("no thread is named " + name);
  const bool stopped = ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0 &&
                       ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0 &&
                       waitpid(thread_, nullptr, __WALL) == thread_;
  if (!stopped) throw std::system_error(errno, std::generic_category(), "cannot stop the thread " + name);
}

StoppedThread::~StoppedThread() {
  ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
}

}  // namespace mind::support
