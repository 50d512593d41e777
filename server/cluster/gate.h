// The way to the loop for what comes and goes while the loop runs.
//
// What is posted before the gate is opened waits; what has not run when it is closed never does. So a service
// may be made ready away from the loop, and dropped while others still have answers for it.
#ifndef MIND_SERVER_CLUSTER_GATE_H_
#define MIND_SERVER_CLUSTER_GATE_H_

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "server/generation/ledger.h"

namespace mind::server {

class Gate {
 public:
  explicit Gate(Post loop) : loop_(std::move(loop)) {}
  ~Gate() { Close(); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // From any thread, and also when the gate is gone.
  Post post() const {
    return [loop = loop_, state = state_](std::function<void()> work) {
      loop([state, work = std::move(work)]() mutable {
        if (state->open) return work();
        if (!state->closed) state->waiting.push_back(std::move(work));
      });
    };
  }

  // On the loop.
  void Open() {
    state_->open = true;
    for (const std::function<void()>& work : std::exchange(state_->waiting, {})) {
      if (state_->open) work();
    }
  }
  void Close() { *state_ = {.closed = true}; }

 private:
  struct State {
    bool open = false;
    bool closed = false;
    std::deque<std::function<void()>> waiting;
  };

  const Post loop_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();  // the loop's
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_GATE_H_
