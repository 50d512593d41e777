// tokenizers/: Qwen's tokenizers, and the conversations that prompts become.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_QWEN_TOKENIZER_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_QWEN_TOKENIZER_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether a file of cases is of that, and has been run. `suite`: its cases' name.
bool RanQwenTokenizerCases(const GoldenOptions& options, const std::string& suite, const nlohmann::json& file,
                           Report& report);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_QWEN_TOKENIZER_CASES_H_
