// The progress of one job on a terminal: a bar with the time left, and the picture forming above it where the
// terminal can show colours. On anything but a terminal, a line now and then.
#ifndef MIND_CLIENT_CLI_PROGRESS_H_
#define MIND_CLIENT_CLI_PROGRESS_H_

#include <map>
#include <string>

#include "absl/time/time.h"
#include "mind/v1/job.pb.h"

namespace mind::cli {

// Writes to standard error. Not thread-safe.
class Progress {
 public:
  // `quiet` writes nothing at all.
  explicit Progress(bool quiet);
  ~Progress();

  void Show(const v1::JobEvent& event);

 private:
  void Redraw();
  // Leaves what is drawn as it is; what follows begins on a line of its own.
  void Close();
  void Line(const std::string& text);

  const bool quiet_;
  const bool terminal_;  // standard error is one
  const bool colours_;   // and shows 24-bit colours
  std::string status_ = "waiting";
  std::map<uint32_t, std::pair<uint32_t, uint32_t>> steps_;  // picture → (taken, in all)
  absl::Duration remaining_ = absl::InfiniteDuration();
  std::string preview_;  // drawn with half blocks, lines ending in newlines
  int drawn_lines_ = 0;
  int last_tenth_ = -1;
};

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_PROGRESS_H_
