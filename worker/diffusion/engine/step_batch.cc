#include "worker/diffusion/engine/step_batch.h"

#include <algorithm>
#include <tuple>

namespace mind::diffusion {
namespace {

// How much longer a step may take with lower priorities riding along.
constexpr double kNoSlower = 1.05;
// What they are owed of the time in which they are kept out: a picture of a higher priority that takes less
// than fifty of their steps does not feel it.
constexpr double kOwed = 0.02;
// What a step may take that was never measured.
constexpr double kUnknownSeconds = 1;

size_t RowsOf(const Trajectory& trajectory) {
  return trajectory.conditioning.rows.size();
}

}  // namespace

bool FitTogether(const Trajectory& a, const Trajectory& b) {
  const std::vector<Told>&rows_a = a.conditioning.rows, &rows_b = b.conditioning.rows;
  return a.stage().pipeline == b.stage().pipeline && a.stage().shape == b.stage().shape &&
         SameTensors(rows_a.front(), rows_b.front()) && SameTensors(rows_a.back(), rows_b.back());
}

std::vector<StepBatches::TrajectoryPtr> StepBatches::Next(std::vector<TrajectoryPtr> parked) {
  std::sort(parked.begin(), parked.end(), [](const auto& a, const auto& b) {
    return std::make_tuple(-a->request.priority, a->last_served, a->id) <
           std::make_tuple(-b->request.priority, b->last_served, b->id);
  });
  const size_t place = Leader(parked);
  repaid_ = place > 0;
  const TrajectoryPtr leader = parked[place];
  parked.erase(parked.begin() + static_cast<std::ptrdiff_t>(place));

  const BatchCap& cap = cap_of_(*leader);
  const size_t busy = std::min(busy_above_(leader->request.priority), cap.cap());
  const size_t room = cap.cap() - busy;
  size_t rows = RowsOf(*leader);
  if (busy > 0 && rows > room && !repaid_) {
    kept_out_ = true;
    if (!Repays(*leader)) return {};
    repaid_ = true;
  }
  std::vector<TrajectoryPtr> batch = {leader};
  size_t own = rows;  // of the leader's priority and above
  kept_out_ = false;
  for (const TrajectoryPtr& trajectory : parked) {
    const bool lower = trajectory->request.priority < leader->request.priority;
    const size_t together = rows + RowsOf(*trajectory);
    bool rides = FitTogether(*leader, *trajectory) && together <= room;
    if (rides && lower) {
      const auto alone = cap.Seconds(own), with_it = cap.Seconds(together);
      rides = alone && with_it && *with_it <= kNoSlower * *alone;
    }
    if (rides) {
      batch.push_back(trajectory);
      rows = together;
      if (!lower) own = together;
    } else if (lower) {
      kept_out_ = true;
    }
  }
  return batch;
}

size_t StepBatches::Leader(const std::vector<TrajectoryPtr>& parked) const {
  const int64_t highest = parked.front()->request.priority;
  size_t waited_longest = 0;
  for (size_t i = 1; i < parked.size(); ++i) {
    if (parked[i]->request.priority == highest) continue;
    if (waited_longest == 0 || parked[i]->last_served < parked[waited_longest]->last_served)
      waited_longest = i;
  }
  if (waited_longest == 0) return 0;
  return Repays(*parked[waited_longest]) ? waited_longest : 0;
}

bool StepBatches::Repays(const Trajectory& trajectory) const {
  return owed_ >= cap_of_(trajectory).Seconds(RowsOf(trajectory)).value_or(kUnknownSeconds);
}

void StepBatches::Took(double seconds) {
  if (repaid_) {
    owed_ = std::max(owed_ - seconds, 0.0);
  } else {
    owed_ = kept_out_ ? owed_ + kOwed * seconds : 0;
  }
}

}  // namespace mind::diffusion
