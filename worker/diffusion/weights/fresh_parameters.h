// Parameters from nowhere: of a network before it is trained, or of one whose size is all that matters.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_FRESH_PARAMETERS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_FRESH_PARAMETERS_H_

#include <string>

#include "worker/diffusion/samplers/noise_source.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// Has nothing a module could look for, so optional parts are left out; counts what is taken.
class FreshParameters : public ParameterSource {
 public:
  enum class Values {
    kNone,    // one zero standing for all: takes no memory, good for counting alone
    kRandom,  // matrices N(0, 1 / fan in), vectors zero but for the weights of norms, which are one
  };

  explicit FreshParameters(Values values, uint64_t seed = 0) : values_(values), noise_(seed) {}

  bool Has(const std::string&) const override { return false; }
  at::Tensor Take(const std::string& name, at::IntArrayRef shape) override;

  // Numbers taken so far.
  int64_t count() const { return count_; }

 private:
  Values values_;
  SeededNoise noise_;
  int64_t count_ = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_FRESH_PARAMETERS_H_
