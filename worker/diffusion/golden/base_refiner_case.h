// A recorded run of SDXL's base whose latents its refiner goes on with.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_BASE_REFINER_CASE_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_BASE_REFINER_CASE_H_

#include <nlohmann/json.hpp>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Both stages picture by picture, the second with the latents that the first has made.
void CheckBaseThenRefiner(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                          Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_BASE_REFINER_CASE_H_
