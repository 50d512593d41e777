// A thread of another process that hangs, for as long as a test wants.
#ifndef MIND_TESTS_SUPPORT_STOPPED_THREAD_H_
#define MIND_TESTS_SUPPORT_STOPPED_THREAD_H_

#include <sys/types.h>

#include <string>

#include "tests/support/process.h"

namespace mind::support {

// Stops one thread of a running process, by its name, until the end of the scope: the others go on. For the
// thread that made it, which must be of the process that started the other. Throws std::runtime_error where
// it cannot be stopped.
class StoppedThread {
 public:
  StoppedThread(const Process& process, const std::string& name);
  ~StoppedThread();
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

 private:
  pid_t thread_ = -1;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_STOPPED_THREAD_H_
