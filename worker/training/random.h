// The random numbers of one training step.
#ifndef MIND_WORKER_TRAINING_RANDOM_H_
#define MIND_WORKER_TRAINING_RANDOM_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::training {

// A generator of its own for every part of every step, seeded by the run's seed, the step and the part: a run
// that goes on from a checkpoint draws what it would have drawn, and nothing of a generator has to be stored.
// Draws on the CPU, whatever the device, so that a run is the same on all. Not thread-safe.
class StepRandom {
 public:
  StepRandom(uint64_t seed, int64_t step, int64_t part);

  // Standard normal, float32.
  at::Tensor Normal(at::IntArrayRef shape);
  // Even over [0, 1), float32.
  at::Tensor Uniform(at::IntArrayRef shape);
  // Whole numbers, even over [0, bound).
  at::Tensor Integers(int64_t bound, at::IntArrayRef shape);

  // What they are drawn from, for whoever draws itself.
  const at::Generator& generator() const { return generator_; }

 private:
  at::Generator generator_;
};

// Numbers that follow from three, scattered over all 64 bits (splitmix64).
uint64_t Mixed(uint64_t a, uint64_t b, uint64_t c);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_RANDOM_H_
