#include "proto/support/daemon.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace mind {
namespace {

sigset_t TerminationSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void HoldTerminationSignals() {
  const sigset_t set = TerminationSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A peer that goes away, or a file that may not grow, is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
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

EndsAtOnce::EndsAtOnce() {
  for (const int number : {SIGTERM, SIGINT}) {
    std::signal(number, [](int) { _exit(0); });
  }
  thread_ = std::thread([this] {
    const sigset_t set = TerminationSignals();
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    over_.WaitForNotification();
  });
}

EndsAtOnce::~EndsAtOnce() {
  over_.Notify();
  thread_.join();
}

}  // namespace mind
