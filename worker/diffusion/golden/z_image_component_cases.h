// components/: Z-Image's transformer.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_Z_IMAGE_COMPONENT_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_Z_IMAGE_COMPONENT_CASES_H_

#include <nlohmann/json.hpp>

#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// Whether the case, an item of an index, was of the transformer, and has been run: on its weights, and on the
// same under their authors' names, where those lie beside its model (NAME-original).
bool RanZImageCase(const GoldenOptions& options, const nlohmann::json& item, Report& report);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_Z_IMAGE_COMPONENT_CASES_H_
