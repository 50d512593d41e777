// Noise replayed from a record instead of drawn.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_RECORDED_NOISE_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_RECORDED_NOISE_H_

#include <map>
#include <vector>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {

// One draw a step at most: the reference draws in calls where we do not, so draws are looked up, not counted.
class RecordedNoise : public NoiseSource {
 public:
  void Record(int64_t step, at::Tensor noise) { by_step_[step] = std::move(noise); }
  void set_step(int64_t step) { step_ = step; }

  at::Tensor Draw(at::IntArrayRef) override {
    const auto found = by_step_.find(step_);
    if (found == by_step_.end())
      throw Error("the sampler draws noise in step " + std::to_string(step_) + ", the record has none");
    return found->second;
  }

 private:
  std::map<int64_t, at::Tensor> by_step_;
  int64_t step_ = 0;
};

// Gives the draws in the order they were recorded in.
class OrderedNoise : public NoiseSource {
 public:
  explicit OrderedNoise(const at::Tensor& draws) : draws_(draws.unbind()) {}
  explicit OrderedNoise(std::vector<at::Tensor> draws) : draws_(std::move(draws)) {}
  at::Tensor Draw(at::IntArrayRef) override { return draws_.at(next_++); }

 private:
  std::vector<at::Tensor> draws_;
  size_t next_ = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_RECORDED_NOISE_H_
