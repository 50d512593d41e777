// How guidance acts, checked against what the model takes.
#ifndef MIND_SERVER_GENERATION_VALIDATE_GUIDANCE_H_
#define MIND_SERVER_GENERATION_VALIDATE_GUIDANCE_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"
#include "server/generation/validate.h"

namespace mind::server {

// Fills in the defaults of what the spec says about its guidance beside the scale; what says nothing is taken
// out, so that it runs anywhere. REQUIRES: its class_label is resolved. INVALID_ARGUMENT names the field,
// what was given and what is allowed.
absl::Status ResolveGuidance(const v1::Model& model, const RequestLimits& limits, v1::ImageSpec& spec);

// The rows that one evaluation of a complete spec has, on average over its steps. `model` may be null (no
// longer known).
double RowsPerEvaluation(const v1::ImageSpec& spec, const v1::Model* model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_GUIDANCE_H_
