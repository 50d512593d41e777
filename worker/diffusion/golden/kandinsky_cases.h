// e2e: Kandinsky 2.2, its prior and its decoder one by one, as they are recorded.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_KANDINSKY_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_KANDINSKY_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether a case is of such a pipeline (KandinskyV22Pipeline …).
bool IsKandinsky(const std::string& pipeline);

// Compares everything recorded on the way.
void CheckKandinsky(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                    Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_KANDINSKY_CASES_H_
