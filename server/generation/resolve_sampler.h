// Checks the sampler of a request and what it is told against what the model offers.
#ifndef MIND_SERVER_GENERATION_RESOLVE_SAMPLER_H_
#define MIND_SERVER_GENERATION_RESOLVE_SAMPLER_H_

#include <cstdint>

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

// The most steps that a spec may ask for, with its sampler and what that is told. REQUIRES: the sampler is
// one of the model's, by its own name.
uint32_t MostSteps(const v1::Model& model, const v1::ImageSpec& spec);

// Evaluations of the denoiser that so many steps of its sampler take. `model` may be null (no longer known).
double EvaluationsOfSteps(double steps, const v1::ImageSpec& spec, const v1::Model* model);

// Those that one picture of a complete spec takes, in its first pass. `model` likewise.
double EvaluationsOfPicture(const v1::ImageSpec& spec, const v1::Model* model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_RESOLVE_SAMPLER_H_
