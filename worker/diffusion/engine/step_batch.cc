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
  return trajectory.rows();
}

// Those who come wait from now on, behind all who wait already.
void Greet(const std::vector<StepBatches::TrajectoryPtr>& parked, double now) {
  uint64_t newest = 0;
  for (const auto& one : parked) newest = std::max(newest, one->last_served);
  for (const auto& one : parked) {
    if (one->arrived >= 0) continue;
    one->arrived = one->served = now;
    if (one->last_served == 0) one->last_served = newest;
  }
}

}  // namespace

bool FitTogether(const Trajectory& a, const Trajectory& b) {
  const std::vector<Told>&rows_a = a.conditioning.rows, &rows_b = b.conditioning.rows;
  return a.stage().pipeline == b.stage().pipeline && a.stage().shape == b.stage().shape &&
         a.request.tiling == b.request.tiling && SameTensors(rows_a.front(), rows_b.front()) &&
         SameTensors(rows_a.back(), rows_b.back());
}

std::vector<StepBatches::TrajectoryPtr> StepBatches::Next(Trajectories parked) {
  Sort(parked);
  const size_t place = Leader(parked);
  repaid_ = place > 0;
  const TrajectoryPtr leader = parked[place];
  parked.erase(parked.begin() + static_cast<std::ptrdiff_t>(place));

  const size_t cap = facts_.cap_of(*leader).cap();
  const size_t busy = std::min(facts_.busy_above(leader->request.priority), cap);
  const size_t room = cap - busy;
  shares_.clear();
  if (busy > 0 && RowsOf(*leader) > room && !repaid_) {
    kept_out_ = true;
    if (!Repays(*leader)) return {};
    repaid_ = true;
  }
  const Trajectories batch = With(leader, parked, room);

  size_t rows = 0;
  for (const TrajectoryPtr& one : batch) rows += RowsOf(*one);
  for (const TrajectoryPtr& one : batch) {
    one->served = turns_.now();
    shares_.push_back({.tenant = one->request.tenant,
                       .weight = one->request.tenant_weight,
                       .part = static_cast<double>(RowsOf(*one)) / static_cast<double>(rows)});
  }
  return batch;
}

void StepBatches::Sort(Trajectories& parked) {
  Greet(parked, turns_.now());
  std::sort(parked.begin(), parked.end(), [](const auto& a, const auto& b) {
    return std::make_tuple(-a->request.priority, a->last_served, a->id) <
           std::make_tuple(-b->request.priority, b->last_served, b->id);
  });
  const auto lower = std::find_if(parked.begin(), parked.end(), [&](const auto& one) {
    return one->request.priority < parked.front()->request.priority;
  });
  const Trajectories equals(parked.begin(), lower);
  std::vector<StepTurns::Picture> pictures;
  for (const TrajectoryPtr& one : equals) {
    pictures.push_back(
        {.id = one->id,
         .job = one->request.job,
         .tenant = one->request.tenant,
         .weight = one->request.tenant_weight,
         .seconds_left = facts_.seconds_left(*one),
         .arrived = one->arrived,
         .last_served = one->last_served,
         .served = one->served,
         .step_seconds = facts_.cap_of(*one).seconds_per_row() * static_cast<double>(RowsOf(*one))});
  }
  const std::vector<size_t> order = turns_.Order(pictures);
  for (size_t i = 0; i < order.size(); ++i) parked[i] = equals[order[i]];
}

StepBatches::Trajectories StepBatches::With(const TrajectoryPtr& leader, const Trajectories& others,
                                            size_t room) {
  const BatchCap& cap = facts_.cap_of(*leader);
  Trajectories batch = {leader};
  size_t rows = RowsOf(*leader);
  size_t own = rows;  // of the leader's priority and above
  kept_out_ = false;
  for (const TrajectoryPtr& trajectory : others) {
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

size_t StepBatches::Leader(const Trajectories& parked) const {
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
  return owed_ >= StepSeconds(trajectory);
}

double StepBatches::StepSeconds(const Trajectory& trajectory) const {
  return facts_.cap_of(trajectory).Seconds(RowsOf(trajectory)).value_or(kUnknownSeconds);
}

void StepBatches::Took(double seconds) {
  if (repaid_) {
    owed_ = std::max(owed_ - seconds, 0.0);
    turns_.Passed(seconds);
  } else {
    owed_ = kept_out_ ? owed_ + kOwed * seconds : 0;
    turns_.Took(seconds, shares_);
  }
}

}  // namespace mind::diffusion
