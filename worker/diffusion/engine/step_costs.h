// What steps cost, as measured: of every model, every stage of it and every shape of what is denoised, with
// the pictures that it goes by.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_STEP_COSTS_H_
#define MIND_WORKER_DIFFUSION_ENGINE_STEP_COSTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/engine/batch_cap.h"
#include "worker/diffusion/engine/trajectory.h"
#include "worker/diffusion/mutex.h"

namespace mind::diffusion {

// Remembers so many shapes, and forgets those that were asked for longest ago.
class StepCosts {
 public:
  static constexpr size_t kMostShapes = 128;

  explicit StepCosts(BatchCap::Options options) : options_(std::move(options)) {}

  // The step thread's. Valid until the next call with another trajectory's shape.
  const BatchCap& Of(const Trajectory& trajectory);
  void Record(const Trajectory& trajectory, size_t rows, double seconds);
  // Likewise: a scorer had so many rows beside those.
  void RecordScoring(const Trajectory& trajectory, size_t rows, double seconds);
  // Likewise: what scorers take for these, which share a step; 0: nothing, or it was not measured.
  double ScoringSeconds(const std::vector<std::shared_ptr<Trajectory>>& batch) const;
  // Likewise: there was memory for no more than so many rows at once.
  void NoteMemory(const Trajectory& trajectory, size_t rows);
  // Likewise: what the steps it has left take, in batches as full as they are of late. Of later stages as far
  // as they were measured; 0: the present one was not. REQUIRES: its stages are begun, or it has none to
  // take.
  double SecondsLeft(const Trajectory& trajectory) const;

  // Any thread. Seconds a row of each model takes at the model's default size, of all its stages on average;
  // where that size was not measured, from the sizes that were.
  std::map<std::string, double> RowSeconds() const;
  // Any thread. What a gradient of each model's scorer takes, in rows of the model of the same size: of that
  // which was measured last. Models whose scorer was not are not in it.
  std::map<std::string, double> ScorerRows() const;
  size_t shapes() const;

 private:
  struct Entry {
    BatchCap cap, scoring;  // of the network, and of its model's scorer
    std::string model;
    size_t stage = 0;
    double steps = 0;                   // of this stage, by default
    double size = 0, default_size = 0;  // numbers in what is denoised, and in the pictures it goes by
    uint64_t last_used = 0;
  };

  Entry& EntryOf(const Trajectory& trajectory) MIND_REQUIRES(mutex_);
  // Of one evaluation of its present stage; 0: it has no scorer, or that was not measured.
  double ScoringSecondsOf(const Trajectory& trajectory) const MIND_REQUIRES(mutex_);

  const BatchCap::Options options_;
  mutable Mutex mutex_;
  // Written by the step thread alone.
  std::map<std::string, Entry> entries_ MIND_GUARDED_BY(mutex_);
  uint64_t uses_ MIND_GUARDED_BY(mutex_) = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STEP_COSTS_H_
