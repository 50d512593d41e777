// null-worker HOST:PORT: a worker that makes nothing and says that it has, for tests of what is before it.
// Says "ready" when the server has taken it, and goes on until it is killed.
#include <cstdio>

#include "absl/time/clock.h"
#include "tests/bench/server/null_worker.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: null-worker HOST:PORT\n");
    return 2;
  }
  try {
    mind::bench::NullWorker worker({.server = argv[1]});
    worker.Make();
    std::puts("ready");
    std::fflush(stdout);
    // Often enough for any lease that is not shorter than this.
    for (;; absl::SleepFor(absl::Seconds(1))) worker.SendCapacity();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "null-worker: %s\n", e.what());
    return 1;
  }
}
