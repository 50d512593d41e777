#include "worker/diffusion/pipelines/call_number.h"

#include <algorithm>

namespace mind::diffusion {

CallNumber CallNumber::Of(const Sampler& sampler, int64_t first, int64_t end, int64_t step, int64_t in_step) {
  const int64_t each = std::max<int64_t>(sampler.evaluations() / sampler.steps(), 1);
  const int64_t more = std::max<int64_t>(sampler.evaluations() - each * sampler.steps(), 0);
  const int64_t left = end - first, steps_with_more = std::min(more, std::max<int64_t>(left - 1, 1));
  const int64_t taken = step - first;
  const auto before = [&](int64_t steps) { return each * steps + std::min(steps, steps_with_more); };
  const int64_t last_of_step = before(taken + 1) - 1;
  return {.number = std::min(before(taken) + in_step, last_of_step),
          .of = before(left),
          .step = taken,
          .steps = sampler.steps() - first};
}

}  // namespace mind::diffusion
