// How far recorded and computed numbers may lie apart in fp32, as the README of the golden folder gives it,
// relative to the largest value of what is compared.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_TOLERANCES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_TOLERANCES_H_

namespace mind {

inline constexpr double kComponentTolerance = 2e-5;  // one evaluation of one network
inline constexpr double kSampledTolerance = 1e-4;    // what a whole run of a sampler gives

}  // namespace mind

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_TOLERANCES_H_
