// What a request asks for of its pictures, checked against its model, and every default filled in.
#ifndef MIND_SERVER_GENERATION_RESOLVE_SPEC_H_
#define MIND_SERVER_GENERATION_RESOLVE_SPEC_H_

#include <cstdint>

#include "absl/status/status.h"
#include "server/generation/validate.h"

namespace mind::server {

// `random_seed` is taken if the spec names none. INVALID_ARGUMENT names the field, what was given and what is
// allowed.
absl::Status ResolveSpec(const v1::Model& model, const RequestLimits& limits, uint64_t random_seed,
                         v1::ImageSpec& spec);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_RESOLVE_SPEC_H_
