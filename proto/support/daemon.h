// What every long-running process of ours does around its work: flags with environment twins, logs, signals.
#ifndef MIND_PROTO_SUPPORT_DAEMON_H_
#define MIND_PROTO_SUPPORT_DAEMON_H_

#include <string>

namespace mind {

// Parses the command line into absl flags. A flag that is not on it is taken from its environment twin:
// --max-queue (or
// --max_queue) from MIND_MAX_QUEUE. On a bad flag or twin, prints what is wrong and what is allowed, and
// exits with 2.
void ParseFlags(int argc, char** argv, const std::string& usage);

// From now on SIGTERM and SIGINT no longer end the process but are held for WaitForTermination. Call before
// any thread is started: they inherit it.
void HoldTerminationSignals();
// Blocks until one of them arrives (or has arrived). From then on another one ends the process at once, with
// 128 and its number: a shutdown that hangs can always be ended.
void WaitForTermination();

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_DAEMON_H_
