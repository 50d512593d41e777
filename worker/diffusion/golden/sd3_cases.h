// Records of Stable Diffusion 3: its transformer, and whole pictures.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_SD3_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_SD3_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether a case of components/ was of the transformer, and has been run.
bool RanSd3Case(const GoldenOptions& options, const nlohmann::json& item, Report& report);

// Of e2e/, by the pipeline's class.
bool IsSd3(const std::string& pipeline);
void CheckSd3(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
              Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_SD3_CASES_H_
