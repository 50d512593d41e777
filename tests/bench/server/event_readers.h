// Many who read server-sent events, in a process of their own.
#ifndef MIND_TESTS_BENCH_SERVER_EVENT_READERS_H_
#define MIND_TESTS_BENCH_SERVER_EVENT_READERS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace mind::bench {

// The process itself: opens `count` connections to a port of this host, asks on each for one of the targets
// in the file, one a line, and again from its beginning; says on standard output when all have heard
// something, and when all have heard of so many previews.
[[noreturn]] void RunEventReaders(int port, size_t count, const std::string& targets_file);

// Such a process. Killed when destroyed.
class EventReaders {
 public:
  // Returns when each reader has heard something. Throws std::runtime_error if that takes too long.
  EventReaders(const std::string& program, const std::string& folder, int port, size_t count,
               const std::vector<std::string>& targets);

  // When the last reader had got so many previews, on the clock of Now. Waits for it.
  double AwaitPreviews(size_t count);
  // Of CLOCK_MONOTONIC, which all processes share.
  static double Now();

 private:
  static std::vector<std::string> Command(const std::string& program, const std::string& folder, int port,
                                          size_t count, const std::vector<std::string>& targets);

  support::Process process_;
};

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_EVENT_READERS_H_
