#include "worker/diffusion/engine/step_costs.h"

#include <algorithm>
#include <utility>

namespace mind::diffusion {
namespace {

// By the number of its first stage: one that goes over a picture has the network of the one before.
size_t NetworkOf(const Trajectory& trajectory, size_t stage) {
  return trajectory.stages[stage].goes_over ? stage - 1 : stage;
}

// Numbers in the tokens of the pictures that its network goes by, beside those of what is denoised. Only the
// present stage is told of them.
int64_t ReferenceNumbers(const Trajectory& trajectory, size_t stage) {
  const std::vector<Told>& rows = trajectory.conditioning.rows;
  if (stage != trajectory.stage_number || rows.empty()) return 0;
  const at::Tensor& references = rows.back()[Condition::kReference];
  return references.defined() ? references.numel() : 0;
}

std::string KeyOf(const Trajectory& trajectory, size_t stage) {
  std::string key = trajectory.request.model + "\n" + std::to_string(NetworkOf(trajectory, stage));
  for (const int64_t extent : trajectory.stages[stage].shape) key += " " + std::to_string(extent);
  const int64_t references = ReferenceNumbers(trajectory, stage);
  return references == 0 ? key : key + " + " + std::to_string(references);
}

double Numbers(const std::vector<int64_t>& shape) {
  double numbers = 1;
  for (const int64_t extent : shape) numbers *= static_cast<double>(extent);
  return numbers;
}

// Seconds at `size`, from those at the sizes measured: on the line through the two nearest to it, or from the
// only one in proportion.
double SecondsAt(double size, const std::map<double, double>& measured) {
  if (const auto exact = measured.find(size); exact != measured.end()) return exact->second;
  if (measured.size() == 1) return measured.begin()->second * size / measured.begin()->first;
  auto right = measured.upper_bound(size);
  if (right == measured.begin()) ++right;
  if (right == measured.end()) --right;
  const auto left = std::prev(right);
  const double slope = (right->second - left->second) / (right->first - left->first);
  // Noise may tilt the line: a smaller size never takes nothing, nor a larger one less.
  const double seconds = left->second + slope * (size - left->first);
  return size > left->first ? std::max(seconds, left->second)
                            : std::max(seconds, left->second * size / left->first);
}

}  // namespace

StepCosts::Entry& StepCosts::EntryOf(const Trajectory& trajectory) {
  const auto [found, added] =
      entries_.try_emplace(KeyOf(trajectory, trajectory.stage_number),
                           Entry{.cap = BatchCap(options_), .scoring = BatchCap(options_)});
  Entry& entry = found->second;
  entry.last_used = ++uses_;
  if (!added) return entry;
  const Stage& stage = trajectory.stage();
  const ModelInfo& whole = trajectory.stages.front().pipeline->info();
  entry.model = trajectory.request.model;
  entry.stage = NetworkOf(trajectory, trajectory.stage_number);
  const std::optional<StageSampling> own = stage.pipeline->own_sampling();
  entry.steps = static_cast<double>(own ? own->steps : stage.pipeline->info().default_steps);
  // A network that goes by pictures attends to their tokens as to those that it makes.
  entry.size =
      Numbers(stage.shape) + static_cast<double>(ReferenceNumbers(trajectory, trajectory.stage_number));
  entry.default_size = Numbers(stage.pipeline->LatentShape(whole.default_width, whole.default_height));
  if (entries_.size() > kMostShapes) {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return a.second.last_used < b.second.last_used;
    }));
  }
  return entry;
}

const BatchCap& StepCosts::Of(const Trajectory& trajectory) {
  const MutexLock lock(mutex_);
  return EntryOf(trajectory).cap;
}

void StepCosts::Record(const Trajectory& trajectory, size_t rows, double seconds) {
  const MutexLock lock(mutex_);
  EntryOf(trajectory).cap.Record(rows, seconds);
}

void StepCosts::RecordScoring(const Trajectory& trajectory, size_t rows, double seconds) {
  const MutexLock lock(mutex_);
  EntryOf(trajectory).scoring.Record(rows, seconds);
}

double StepCosts::ScoringSecondsOf(const Trajectory& trajectory) const {
  if (trajectory.conditioning.scoring.scorer == nullptr) return 0;
  const auto found = entries_.find(KeyOf(trajectory, trajectory.stage_number));
  return found == entries_.end() ? 0 : found->second.scoring.seconds_per_row();
}

double StepCosts::ScoringSeconds(const std::vector<std::shared_ptr<Trajectory>>& batch) const {
  const MutexLock lock(mutex_);
  double seconds = 0;
  for (const std::shared_ptr<Trajectory>& trajectory : batch) seconds += ScoringSecondsOf(*trajectory);
  return seconds;
}

void StepCosts::NoteMemory(const Trajectory& trajectory, size_t rows) {
  const MutexLock lock(mutex_);
  EntryOf(trajectory).cap.NoteMemory(rows);
}

double StepCosts::SecondsLeft(const Trajectory& trajectory) const {
  const MutexLock lock(mutex_);
  double seconds = 0;
  for (size_t number = trajectory.stage_number; number < trajectory.stages.size(); ++number) {
    const auto found = entries_.find(KeyOf(trajectory, number));
    const double row = found == entries_.end() ? 0 : found->second.cap.seconds_per_row();
    const Stage& stage = trajectory.stages[number];
    if (number == trajectory.stage_number && row == 0) return 0;
    const bool present = number == trajectory.stage_number;
    const int64_t at = present ? trajectory.state.step : stage.begin;
    if (at >= stage.end) continue;
    const int64_t steps = stage.sampler->steps(), first = trajectory.first_step;
    const double share = static_cast<double>(stage.end - at) / static_cast<double>(steps);
    const Conditioning& conditioning = trajectory.conditioning;
    // Of later stages only what they make of their prompts will tell.
    const double rows = present ? conditioning.MeanRows(at - first, stage.end - first, steps - first)
                                : static_cast<double>(conditioning.rows.size());
    const double scoring = present ? ScoringSecondsOf(trajectory) : 0;
    seconds += (row * rows + scoring) * share * static_cast<double>(stage.sampler->evaluations());
  }
  return seconds;
}

std::map<std::string, double> StepCosts::RowSeconds() const {
  struct StageCost {
    std::map<double, double> measured;
    double steps = 0, default_size = 0;
  };
  std::map<std::string, std::map<size_t, StageCost>> models;
  {
    const MutexLock lock(mutex_);
    for (const auto& [key, entry] : entries_) {
      if (entry.cap.seconds_per_row() == 0) continue;
      StageCost& stage = models[entry.model][entry.stage];
      stage.measured[entry.size] = entry.cap.seconds_per_row();
      stage.steps = entry.steps;
      stage.default_size = entry.default_size;
    }
  }
  std::map<std::string, double> row_seconds;
  for (const auto& [model, stages] : models) {
    double seconds = 0, steps = 0;
    for (const auto& [number, stage] : stages) {
      seconds += stage.steps * SecondsAt(stage.default_size, stage.measured);
      steps += stage.steps;
    }
    row_seconds[model] = seconds / steps;
  }
  return row_seconds;
}

std::map<std::string, double> StepCosts::ScorerRows() const {
  const MutexLock lock(mutex_);
  std::map<std::string, const Entry*> newest;
  for (const auto& [key, entry] : entries_) {
    if (entry.scoring.seconds_per_row() == 0 || entry.cap.seconds_per_row() == 0) continue;
    const Entry*& known = newest[entry.model];
    if (known == nullptr || known->last_used < entry.last_used) known = &entry;
  }
  std::map<std::string, double> rows;
  for (const auto& [model, entry] : newest)
    rows[model] = entry->scoring.seconds_per_row() / entry->cap.seconds_per_row();
  return rows;
}

size_t StepCosts::shapes() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace mind::diffusion
