// e2e: Z-Image.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_Z_IMAGE_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_Z_IMAGE_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether a case is of such a pipeline (ZImagePipeline …).
bool IsZImage(const std::string& pipeline);

// Compares everything recorded on the way.
void CheckZImage(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                 Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_Z_IMAGE_CASES_H_
