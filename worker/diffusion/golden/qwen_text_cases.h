// components/: Qwen's language models as encoders of text.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_QWEN_TEXT_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_QWEN_TEXT_CASES_H_

#include <nlohmann/json.hpp>

#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether the case, an item of an index, was of that, and has been run.
bool RanQwenTextCase(const GoldenOptions& options, const nlohmann::json& item, Report& report);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_QWEN_TEXT_CASES_H_
