// Threads that play what would run on other machines.
#ifndef MIND_TESTS_SUPPORT_BEHIND_H_
#define MIND_TESTS_SUPPORT_BEHIND_H_

#include <sys/resource.h>

namespace mind::support {

// From now on the calling thread stands behind all others at the processor: what it takes of this machine is
// not what it does to a server.
inline void StandBehind() {
  setpriority(PRIO_PROCESS, 0, 19);  // 0: of this thread alone, on Linux
}

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_BEHIND_H_
