// components/: what DeepFloyd-IF has of its own: T5, its distances, how pictures are resized.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_FLOYD_COMPONENT_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_FLOYD_COMPONENT_CASES_H_

#include <nlohmann/json.hpp>

#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether the case, an item of an index, was of that, and has been run.
bool RanFloydCase(const GoldenOptions& options, const nlohmann::json& item, Report& report);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_FLOYD_COMPONENT_CASES_H_
