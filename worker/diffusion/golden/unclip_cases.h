// e2e: unCLIP's models, from stage to stage: an embedding, a picture of it, a larger one.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_UNCLIP_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_UNCLIP_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

// Whether a case is of such a pipeline (UnCLIPPipeline …).
bool IsUnclip(const std::string& pipeline);

// Compares everything recorded on the way. `first`: the model's first stage.
void CheckUnclip(const nlohmann::json& item, const Record& record, const Pipeline& first,
                 Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_UNCLIP_CASES_H_
