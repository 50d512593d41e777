// Checks the sampler of a request and what it is told against what the model offers.
#ifndef MIND_SERVER_GENERATION_RESOLVE_SAMPLER_H_
#define MIND_SERVER_GENERATION_RESOLVE_SAMPLER_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Puts the sampler's own name where an alias or nothing was given, and the step count where the request
// leaves it open. Errors name the field, what was given and what is allowed: INVALID_ARGUMENT.
absl::Status ResolveSampler(const v1::Model& model, v1::ImageSpec& spec);

// Of its steps, those that one picture of a complete spec takes: with a picture to begin with, only the last
// ones; an upscaler takes all.
double StepsTaken(const v1::ImageSpec& spec);

// Evaluations of the denoiser that one picture of a complete spec takes. `model` may be null (no longer
// known).
double EvaluationsOfPicture(const v1::ImageSpec& spec, const v1::Model* model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_RESOLVE_SAMPLER_H_
