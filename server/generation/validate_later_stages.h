// How the later stages of a cascade are sampled.
#ifndef MIND_SERVER_GENERATION_VALIDATE_LATER_STAGES_H_
#define MIND_SERVER_GENERATION_VALIDATE_LATER_STAGES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Checks what a spec says of them against what the model has. INVALID_ARGUMENT names the field, what was
// given and what is allowed.
absl::Status CheckLaterStages(const v1::Model& model, double max_guidance, const v1::ImageSpec& spec);

// Steps that they take of each picture. `model` may be null (no longer known).
uint32_t LaterSteps(const v1::ImageSpec& spec, const v1::Model* model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_LATER_STAGES_H_
