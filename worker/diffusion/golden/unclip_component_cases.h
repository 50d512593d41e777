// unCLIP's parts, in components/: prior, projection, image encoder with what is done to pictures before it,
// noise on embeddings, enlarging.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_UNCLIP_COMPONENT_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_UNCLIP_COMPONENT_CASES_H_

#include <nlohmann/json.hpp>

#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether the case, as components/index.json lists it, was of one of these, and has been run.
bool RanUnclipCase(const GoldenOptions& options, const nlohmann::json& item, Report& report);

// A mask of 1 where a token is to be seen and 0 where not, as it is told a denoiser.
at::Tensor ToldMask(const at::Tensor& mask);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_UNCLIP_COMPONENT_CASES_H_
