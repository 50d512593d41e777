// How many files a process may have open: each connection is one.
#ifndef MIND_PROTO_SUPPORT_OPEN_FILES_H_
#define MIND_PROTO_SUPPORT_OPEN_FILES_H_

#include <sys/resource.h>

#include <cstdint>

namespace mind {

// Allows this process as many as it may allow itself; gives how many that are.
inline uint64_t AllowFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t allowed = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : allowed;
}

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_OPEN_FILES_H_
