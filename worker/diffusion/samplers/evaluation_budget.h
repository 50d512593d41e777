// What keeps a sampler that chooses its own steps from going on for ever.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_EVALUATION_BUDGET_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_EVALUATION_BUDGET_H_

#include <cmath>
#include <string>
#include <vector>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

// Lives for one step of a sampler; what was spent is part of the trajectory's state.
class EvaluationBudget {
 public:
  // Many times what a picture takes at the tightest tolerances that change it.
  static constexpr double kMost = 10'000;

  // `scalars`: of the trajectory; the third is what it has spent.
  EvaluationBudget(const char* sampler, const std::vector<double>& scalars)
      : sampler_(sampler), spent_(scalars.size() > 2 ? scalars[2] : 0) {}

  // Counts one. Throws RequestError where that is one too many.
  void Spend() {
    if (++spent_ <= kMost) return;
    throw RequestError(sampler_ + " has not arrived after " + std::to_string(static_cast<int>(kMost)) +
                       " evaluations: ask for looser tolerances");
  }
  double spent() const { return spent_; }

  // The error of a step, as it came. Throws ModelError where it is no number: no step size would mend that.
  double Finite(double error) const {
    if (std::isfinite(error)) return error;
    throw ModelError(sampler_ + ": the model's network answers with numbers that are not finite");
  }

 private:
  std::string sampler_;
  double spent_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_EVALUATION_BUDGET_H_
