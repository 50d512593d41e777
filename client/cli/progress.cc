#include "client/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/half_blocks.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::cli {
namespace {

constexpr int kBarWidth = 30;
constexpr int kPreviewColumns = 48;

bool ShowsColours() {
  const char* const value = std::getenv("COLORTERM");
  const std::string colours = value != nullptr ? value : "";
  return colours == "truecolor" || colours == "24bit";
}

// Of JobQueued and JobWaiting.
template <typename Place>
std::string Waiting(const Place& place) {
  std::string text =
      absl::StrCat("waiting behind ", place.position(), place.position() == 1 ? " job" : " jobs");
  if (!place.has_estimated_wait()) return text;
  const absl::Duration wait = absl::Trunc(FromDuration(place.estimated_wait()), absl::Seconds(1));
  return absl::StrCat(text, ", about ", absl::FormatDuration(wait));
}

std::string Doing(v1::Stage stage, const std::string& otherwise) {
  switch (stage) {
    case v1::STAGE_LOADING_MODEL:
      return "loading the model";
    case v1::STAGE_ENCODING:
      return "encoding the prompt";
    case v1::STAGE_UPSCALING:
      return "upscaling";
    case v1::STAGE_DECODING:
      return "decoding";
    default:
      return otherwise;
  }
}

}  // namespace

Progress::Progress(bool quiet)
    : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0), colours_(terminal_ && ShowsColours()) {}

Progress::~Progress() {
  Close();
}

void Progress::Close() {
  if (drawn_lines_ > 0) std::fputc('\n', stderr);
  drawn_lines_ = 0;
}

void Progress::Show(const v1::JobEvent& event) {
  if (quiet_) return;
  switch (event.event_case()) {
    case v1::JobEvent::kQueued: {
      const v1::JobQueued& queued = event.queued();
      status_ = Waiting(queued);
      if (queued.job().attempt() > 0) status_ = absl::StrCat("its worker was lost, ", status_);
      Line(absl::StrCat(Printable(queued.job().id()), ": ", status_));
      break;
    }
    case v1::JobEvent::kWaiting:
      if (terminal_) status_ = Waiting(event.waiting());
      break;
    case v1::JobEvent::kStage:
      if (terminal_) status_ = Doing(event.stage().stage(), status_);
      break;
    case v1::JobEvent::kStarted:
      status_ = absl::StrCat("on ", Printable(event.started().worker()));
      if (event.started().resumed_steps() > 0)
        absl::StrAppend(&status_, ", going on from step ", event.started().resumed_steps());
      Line(status_);
      break;
    case v1::JobEvent::kProgress: {
      const v1::JobProgress& progress = event.progress();
      steps_[progress.image_index()] = {progress.step(), progress.steps()};
      if (progress.has_estimated_remaining()) remaining_ = FromDuration(progress.estimated_remaining());
      break;
    }
    case v1::JobEvent::kPreview:
      if (colours_ && event.preview().image_index() == 0)
        preview_ = DrawJpeg(event.preview().data(), kPreviewColumns);
      break;
    case v1::JobEvent::kCompleted:
      status_ = v1::JobState_Name(event.completed().job().state()).substr(sizeof("JOB_STATE_") - 1);
      remaining_ = absl::ZeroDuration();
      break;
    default:
      return;
  }
  Redraw();
  if (event.has_completed()) Close();
}

void Progress::Line(const std::string& text) {
  if (!terminal_) std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::Redraw() {
  uint32_t taken = 0, all = 0;
  for (const auto& [image, steps] : steps_) {
    taken += steps.first;
    all += steps.second;
  }
  const double share = all == 0 ? 0 : static_cast<double>(taken) / all;
  if (!terminal_) {
    const int tenth = static_cast<int>(share * 10);
    if (all > 0 && tenth > last_tenth_) Line(absl::StrFormat("step %d of %d", taken, all));
    last_tenth_ = std::max(last_tenth_, all > 0 ? tenth : -1);
    return;
  }
  const int filled = static_cast<int>(share * kBarWidth);
  std::string bar;
  for (int i = 0; i < kBarWidth; ++i) bar += i < filled ? "█" : "░";
  std::string line = absl::StrFormat("%s %3.0f%%  step %d/%d  %s", bar, share * 100, taken, all, status_);
  if (remaining_ < absl::InfiniteDuration() && share < 1) {
    absl::StrAppend(&line, "  ", absl::FormatDuration(absl::Trunc(remaining_, absl::Milliseconds(100))),
                    " left");
  }
  // Back to the first line drawn, everything below it away, and again.
  if (drawn_lines_ > 1) std::fprintf(stderr, "\x1b[%dA", drawn_lines_ - 1);
  std::fprintf(stderr, "\r\x1b[J%s%s", preview_.c_str(), line.c_str());
  std::fflush(stderr);
  drawn_lines_ = 1 + static_cast<int>(std::count(preview_.begin(), preview_.end(), '\n'));
}

}  // namespace mind::cli
