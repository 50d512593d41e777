// How a request's source picture comes to the picture's size, and which part of it is painted how softly,
// from what.
#ifndef MIND_SERVER_GENERATION_VALIDATE_PAINTING_H_
#define MIND_SERVER_GENERATION_VALIDATE_PAINTING_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Checks it against what the model takes, and fills in defaults. What changes nothing is left out, so that
// workers that do not know it can have the request. INVALID_ARGUMENT names the field, what was given and what
// is allowed.
absl::Status ResolvePainting(const v1::Model& model, v1::ImageSpec& spec);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_PAINTING_H_
