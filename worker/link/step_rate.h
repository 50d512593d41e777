// How many steps the engine takes, and how full their batches are, of late.
#ifndef MIND_WORKER_LINK_STEP_RATE_H_
#define MIND_WORKER_LINK_STEP_RATE_H_

#include <chrono>
#include <cstddef>

namespace mind {

// Means over the past that fade: what was t ago counts exp(-t / 5 s). Not thread-safe.
class StepRate {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A batch has ended that took each of its trajectories one step on, with so many rows through the denoiser.
  void Note(size_t trajectories, size_t rows, Time now);

  struct Rate {
    double steps_per_second = 0;  // of all trajectories
    double batch_rows = 0;        // the mean batch's; 0: none of late
  };
  Rate At(Time now) const;

 private:
  double Faded(Time now) const;

  Time noted_;
  double batches_ = 0, steps_ = 0, rows_ = 0;  // faded, at noted_
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_STEP_RATE_H_
