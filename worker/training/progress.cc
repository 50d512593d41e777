#include "worker/training/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace mind::training {

std::string ProgressLine(const Progress& progress) {
  char line[160];
  const long left = std::lround(progress.seconds_left);
  std::snprintf(line, sizeof line, "step %ld of %ld  loss %.5f  %.1f pictures/s  %ld:%02ld:%02ld left",
                static_cast<long>(progress.step), static_cast<long>(progress.steps), progress.loss,
                progress.pictures_a_second, left / 3600, left / 60 % 60, left % 60);
  return line;
}

std::string ProgressBar(const Progress& progress, int width) {
  std::string bar(static_cast<size_t>(width), '-');
  std::fill_n(bar.begin(), progress.step * width / progress.steps, '#');
  return "[" + bar + "]";
}

}  // namespace mind::training
