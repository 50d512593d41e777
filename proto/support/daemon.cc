#include "proto/support/daemon.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace mind {
namespace {

// Ends the wait of EndsAtOnce: sent to its thread alone.
constexpr int kOver = SIGUSR1;

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

void RequestTermination() {
  kill(getpid(), SIGTERM);
}

EndsAtOnce::EndsAtOnce() {
  sigset_t awaited = TerminationSignals();
  sigaddset(&awaited, kOver);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &awaited, &before);  // the thread inherits it: what is awaited has to be held
  thread_ = std::thread([awaited] {
    int signal = 0;
    sigwait(&awaited, &signal);
    if (signal != kOver) _exit(0);
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

EndsAtOnce::~EndsAtOnce() {
  pthread_kill(thread_.native_handle(), kOver);
  thread_.join();
}

}  // namespace mind
