// Pictures that are prompts, checked against what the model has.
#ifndef MIND_SERVER_GENERATION_VALIDATE_PICTURE_PROMPTS_H_
#define MIND_SERVER_GENERATION_VALIDATE_PICTURE_PROMPTS_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Fills in the defaults of the spec's picture prompts. INVALID_ARGUMENT names the field, what was given and
// what is allowed.
absl::Status ResolvePicturePrompts(const v1::Model& model, v1::ImageSpec& spec);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_PICTURE_PROMPTS_H_
