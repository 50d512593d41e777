// Qwen-Image: its networks in components/, and whole pictures in e2e/.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_QWEN_IMAGE_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_QWEN_IMAGE_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether a case of components/ is of such a network, and has been run.
bool RanQwenImageCase(const GoldenOptions& options, const nlohmann::json& item, Report& report);

// Whether a case of e2e/ is of such a pipeline (QwenImagePipeline …).
bool IsQwenImage(const std::string& pipeline);
// Compares everything recorded on the way.
void CheckQwenImage(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                    Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_QWEN_IMAGE_CASES_H_
