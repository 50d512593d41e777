// Which seeds a job's pictures are made with.
#ifndef MIND_PROTO_SUPPORT_SEEDS_H_
#define MIND_PROTO_SUPPORT_SEEDS_H_

#include <cstdint>

#include "mind/v1/image.pb.h"

namespace mind {

// Of picture `image` of the job.
inline uint64_t SeedOf(const v1::ImageSpec& spec, uint32_t image) {
  return spec.has_variation() ? spec.seed() : spec.seed() + image;
}
// REQUIRES: the spec has a variation.
inline uint64_t VariationSeedOf(const v1::ImageSpec& spec, uint32_t image) {
  return spec.variation().seed() + image;
}

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_SEEDS_H_
