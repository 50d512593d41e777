// Noise replayed from a record instead of drawn. Every draw must find one recorded, and every one recorded
// must be drawn.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_RECORDED_NOISE_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_RECORDED_NOISE_H_

#include <deque>
#include <map>
#include <string>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {

// Which draws of a reference's need no use: it draws them, and multiplies them by nothing or by zero.
enum class Idle {
  kNone,
  kLast,      // those of its last call
  kAnyCalls,  // those of any of its calls
};

// By the call of the denoiser after which they were drawn: the reference draws in calls where we do not, so
// they are looked up, not counted.
class RecordedNoise : public NoiseSource {
 public:
  void Record(int64_t call, at::Tensor noise) { by_call_[call].push_back(std::move(noise)); }
  void set_call(int64_t call) { call_ = call; }

  at::Tensor Draw(at::IntArrayRef) override {
    const auto found = by_call_.find(call_);
    if (found == by_call_.end() || found->second.empty()) {
      throw Error("the sampler draws noise in call " + std::to_string(call_) +
                  ", where the record has no more of it");
    }
    at::Tensor noise = std::move(found->second.front());
    found->second.pop_front();
    return noise;
  }

  // Throws Error naming a draw that nobody used; `calls`: how many the trajectory took.
  void ExpectAllUsed(int64_t calls, Idle idle) const {
    for (const auto& [call, left] : by_call_) {
      const bool idles =
          call < calls && (idle == Idle::kAnyCalls || (idle == Idle::kLast && call + 1 == calls));
      if (left.empty() || idles) continue;
      throw Error(std::to_string(left.size()) + " recorded draws of call " + std::to_string(call) + " of " +
                  std::to_string(calls) + " are not used");
    }
  }

 private:
  std::map<int64_t, std::deque<at::Tensor>> by_call_;
  int64_t call_ = 0;
};

// In the order they were recorded in.
class OrderedNoise : public NoiseSource {
 public:
  explicit OrderedNoise(const at::Tensor& draws) : OrderedNoise(draws.unbind()) {}
  explicit OrderedNoise(const std::vector<at::Tensor>& draws) : draws_(draws.begin(), draws.end()) {}

  at::Tensor Draw(at::IntArrayRef) override {
    if (draws_.empty()) throw Error("more noise is drawn than the record has");
    at::Tensor noise = std::move(draws_.front());
    draws_.pop_front();
    return noise;
  }

  // Throws Error if more than `idle` recorded draws are left.
  void ExpectAllUsed(size_t idle = 0) const {
    if (draws_.size() > idle)
      throw Error(std::to_string(draws_.size() - idle) + " recorded draws are not used");
  }

 private:
  std::deque<at::Tensor> draws_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_RECORDED_NOISE_H_
