// The autoencoder that a request chooses in place of its model's own.
#ifndef MIND_SERVER_GENERATION_VALIDATE_VAE_H_
#define MIND_SERVER_GENERATION_VALIDATE_VAE_H_

#include "absl/status/status.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// Checks it against those beside the model, and fills in its hash. INVALID_ARGUMENT names the field, what was
// given and what is allowed, or what of it does not fit.
absl::Status ResolveVae(const v1::Model& model, v1::ImageSpec& spec);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_VAE_H_
