#include "proto/support/daemon.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace mind {
namespace {

sigset_t TerminationSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Flags of ours live in files of this repository; the libraries' own ("flagfile") have no twins.
bool IsOurs(const absl::CommandLineFlag& flag) {
  return absl::EndsWith(flag.Filename(), "main.cc");
}

void TakeFromEnvironment() {
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (!IsOurs(*flag)) continue;
    const std::string twin = absl::StrCat("MIND_", absl::AsciiStrToUpper(name));
    const char* const value = std::getenv(twin.c_str());
    std::string error;
    if (value != nullptr && !flag->ParseFrom(value, &error)) {
      std::fprintf(stderr, "%s=%s: %s\n", twin.c_str(), value, error.c_str());
      std::exit(2);
    }
  }
}

}  // namespace

void ParseFlags(int argc, char** argv, const std::string& usage) {
  absl::SetProgramUsageMessage(usage);
  TakeFromEnvironment();
  // absl knows --max_queue; people type --max-queue.
  std::vector<std::string> spelled(argv, argv + argc);
  std::vector<char*> arguments;
  for (std::string& argument : spelled) {
    if (absl::StartsWith(argument, "--")) {
      const size_t end = std::min(argument.find('='), argument.size());
      std::replace(argument.begin() + 2, argument.begin() + static_cast<std::ptrdiff_t>(end), '-', '_');
    }
    arguments.push_back(argument.data());
  }
  const std::vector<char*> rest = absl::ParseCommandLine(argc, arguments.data());
  if (rest.size() > 1) {
    std::fprintf(stderr, "%s: unexpected argument \"%s\"; see --help\n", argv[0], rest[1]);
    std::exit(2);
  }
}

void HoldTerminationSignals() {
  const sigset_t set = TerminationSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE,
              SIG_IGN);  // a peer that goes away is an error of the write, not the end of the process
  std::signal(SIGXFSZ, SIG_IGN);  // as is a file that may not grow
}

void WaitForTermination() {
  const sigset_t set = TerminationSignals();
  int signal = 0;
  sigwait(&set, &signal);
  for (const int again : {SIGTERM, SIGINT}) {
    std::signal(again, [](int number) { _exit(128 + number); });
  }
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace mind
