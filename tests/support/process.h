// A child process of a test or benchmark.
#ifndef MIND_TESTS_SUPPORT_PROCESS_H_
#define MIND_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mind::support {

// Its output goes to files: output_stem with .out and .err. Killed when destroyed. Belongs to one thread.
class Process {
 public:
  static constexpr absl::Duration kPatience = absl::Minutes(2);

  Process(const std::vector<std::string>& command, const std::string& output_stem);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits for a line with this in it on standard output and gives the line. Throws std::runtime_error if the
  // process ends first, or has not said it by then.
  std::string AwaitLine(const std::string& text, absl::Duration patience = kPatience);
  void Kill(int signal);
  // From now on none of its files may grow beyond this many bytes.
  void LimitFiles(uint64_t bytes);
  // Waits for its end: the exit status, or minus the signal.
  int Wait();
  bool running();
  pid_t pid() const { return pid_; }
  // The most memory that it has had so far, in bytes. REQUIRES: running()
  uint64_t PeakMemory() const;
  std::string Output() const;
  std::string Errors() const;

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  std::string stem_;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_PROCESS_H_
