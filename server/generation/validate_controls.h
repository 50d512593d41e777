// What steers a picture, checked against what the model has.
#ifndef MIND_SERVER_GENERATION_VALIDATE_CONTROLS_H_
#define MIND_SERVER_GENERATION_VALIDATE_CONTROLS_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Fills in the defaults of the spec's controls, and of guidance other than towards the prompt: by a picture,
// of a prior, away from perturbed attention. INVALID_ARGUMENT names the field, what was given and what is
// allowed.
absl::Status ResolveControls(const v1::Model& model, v1::ImageSpec& spec);

// Whether the model changes a picture as its prompt says.
bool Edits(const v1::Model& model);
// Whether it makes pictures of a prompt alone, whatever else it does.
bool MakesOfPrompt(const v1::Model& model);
// Whether it makes pictures like one that a request brings.
bool Varies(const v1::Model& model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_CONTROLS_H_
