// A second pass of a model over its own picture, enlarged.
#ifndef MIND_SERVER_GENERATION_VALIDATE_HIRES_H_
#define MIND_SERVER_GENERATION_VALIDATE_HIRES_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Checks it against what the model takes, and fills in its size, steps and strength. REQUIRES: the spec's own
// size, sampler and steps are filled in. INVALID_ARGUMENT names the field, what was given and what is
// allowed.
absl::Status ResolveHires(const v1::Model& model, v1::ImageSpec& spec);

// How many evaluations of the spec's own size cost as much as those of the second pass do; 0: there is none.
// `model` may be null (no longer known).
double EvaluationsOfHires(const v1::ImageSpec& spec, const v1::Model* model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_HIRES_H_
