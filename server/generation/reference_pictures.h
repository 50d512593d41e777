// Pictures that a model goes by which changes them: whether it takes those that a request brings, and what
// they add to its work.
#ifndef MIND_SERVER_GENERATION_REFERENCE_PICTURES_H_
#define MIND_SERVER_GENERATION_REFERENCE_PICTURES_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Of the spec's reference_images. INVALID_ARGUMENT names the field, what was given and what is allowed.
absl::Status CheckReferences(const v1::Model& model, const v1::ImageSpec& spec);

// What they add to each row's work, in megapixels of a larger picture. `model` may be null (no longer known).
double ReferenceMegapixels(const v1::ImageSpec& spec, const v1::Model* model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_REFERENCE_PICTURES_H_
