// How far a run is, for people.
#ifndef MIND_WORKER_TRAINING_PROGRESS_H_
#define MIND_WORKER_TRAINING_PROGRESS_H_

#include <cstdint>
#include <string>

namespace mind::training {

struct Progress {
  int64_t step = 0, steps = 0;   // done, in all
  double loss = 0;               // mean since the last row of loss.csv
  double pictures_a_second = 0;  // since then
  double seconds_left = 0;       // at that speed
  bool row = false;              // a row of loss.csv has just been written
};

// "step 70 of 7000  loss 0.05400  68.5 pictures/s  0:53:20 left"
std::string ProgressLine(const Progress& progress);

// "[####------]" of so many characters between the brackets.
std::string ProgressBar(const Progress& progress, int width);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_PROGRESS_H_
