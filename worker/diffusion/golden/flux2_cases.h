// FLUX.2 klein: its transformer and its autoencoder on recorded arguments, the former also under its authors'
// names, and whole pictures.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_FLUX2_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_FLUX2_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether the case, an item of an index of components/, was of those, and has been run.
bool RanFlux2Case(const GoldenOptions& options, const nlohmann::json& item, Report& report);

// Of e2e/.
bool IsFlux2(const std::string& pipeline);
void CheckFlux2(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_FLUX2_CASES_H_
