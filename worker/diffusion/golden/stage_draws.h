// What records of models with stages have in common: one picture's draws in the order of all of them.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_STAGE_DRAWS_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_STAGE_DRAWS_H_

#include <deque>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {

// In the order they were recorded in; from one of several tensors' rows.
struct StageDraws {
  struct One {
    bool in_step = false;  // of a sampler; else of what a stage begins with
    at::Tensor noise;
  };
  std::deque<One> left;

  // `of`: from a recorded tensor, what this picture drew of it.
  template <typename Of>
  StageDraws(const nlohmann::json& item, const Record& record, const Of& of) {
    for (const auto& draw : item.value("noise_draws", nlohmann::json::array())) {
      const bool in_step = draw.at("where").get<std::string>().starts_with("scheduling_");
      left.push_back({in_step, of(record.Get(draw.at("tensor")))});
    }
  }

  // No stage ends with a draw that is no step's: those next are what the next stage begins with.
  std::vector<at::Tensor> TakeBeginning() {
    std::vector<at::Tensor> before;
    while (!left.empty() && !left.front().in_step) {
      before.push_back(std::move(left.front().noise));
      left.pop_front();
    }
    return before;
  }
};

// What the samplers draw.
class StageNoise : public NoiseSource {
 public:
  // `draws` outlives this.
  explicit StageNoise(StageDraws& draws) : draws_(draws) {}
  at::Tensor Draw(at::IntArrayRef shape) override {
    if (draws_.left.empty() || !draws_.left.front().in_step)
      throw Error("a step draws noise that the record has not");
    at::Tensor noise = std::move(draws_.left.front().noise);
    draws_.left.pop_front();
    if (noise.sizes() != shape) throw Error("a step draws noise of another stage");
    return noise;
  }

 private:
  StageDraws& draws_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_STAGE_DRAWS_H_
