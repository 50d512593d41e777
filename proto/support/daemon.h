// How long-running processes of ours come to their end.
#ifndef MIND_PROTO_SUPPORT_DAEMON_H_
#define MIND_PROTO_SUPPORT_DAEMON_H_

#include <thread>

namespace mind {

// From now on SIGTERM and SIGINT no longer end the process but are held for WaitForTermination. Call before
// any thread is started: they inherit it.
void HoldTerminationSignals();
// Blocks until one of them arrives (or has arrived). From then on another one ends the process at once, with
// 128 and its number: a shutdown that hangs can always be ended.
void WaitForTermination();
// As if one had been sent. From any thread.
void RequestTermination();

// While it lives, one of them ends the process at once, with 0: for a beginning that takes long and has
// nothing to finish. Between HoldTerminationSignals and WaitForTermination.
class EndsAtOnce {
 public:
  EndsAtOnce();
  ~EndsAtOnce();
  EndsAtOnce(const EndsAtOnce&) = delete;
  EndsAtOnce& operator=(const EndsAtOnce&) = delete;

 private:
  std::thread thread_;  // the only one that waits for the signals
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_DAEMON_H_
