#include "worker/link/model_watch.h"

#include <pthread.h>

#include <csignal>
#include <utility>

namespace mind {
namespace {

sigset_t Hangup() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void ModelWatch::HoldHangups() {
  const sigset_t set = Hangup();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

ModelWatch::ModelWatch(Options options) : options_(std::move(options)), thread_([this] { Watch(); }) {}

ModelWatch::~ModelWatch() {
  stopping_ = true;
  pthread_kill(thread_.native_handle(), SIGHUP);
  thread_.join();
}

void ModelWatch::Watch() {
  const sigset_t set = Hangup();
  bool soon = false;
  for (;;) {
    const absl::Duration pause = soon ? options_.settle : options_.every;
    const timespec wait = absl::ToTimespec(pause);
    // Woken by the signal or by time; by another signal's handler too early, which does no harm.
    sigtimedwait(&set, nullptr, pause > absl::ZeroDuration() ? &wait : nullptr);
    if (stopping_) return;
    soon = options_.look();
  }
}

}  // namespace mind
