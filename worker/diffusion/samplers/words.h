// The words that configuration files and requests use for a sampler's choices.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_WORDS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_WORDS_H_

#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

template <typename Value>
struct Word {
  const char* word;
  Value value;
};

// As diffusers spells them; "optimal" is ours.
inline constexpr Word<Prediction> kPredictions[] = {{"epsilon", Prediction::kEpsilon},
                                                    {"sample", Prediction::kSample},
                                                    {"v_prediction", Prediction::kVelocity}};
inline constexpr Word<Spacing> kSpacings[] = {{"leading", Spacing::kLeading},
                                              {"trailing", Spacing::kTrailing},
                                              {"linspace", Spacing::kLinspace},
                                              {"optimal", Spacing::kOptimal}};
inline constexpr Word<Variance> kVariances[] = {{"fixed_small", Variance::kFixedSmall},
                                                {"fixed_small_log", Variance::kFixedSmallLog},
                                                {"fixed_large", Variance::kFixedLarge},
                                                {"learned", Variance::kLearned},
                                                {"learned_range", Variance::kLearnedRange}};
inline constexpr Word<FinalSigma> kFinalSigmas[] = {{"zero", FinalSigma::kZero},
                                                    {"sigma_min", FinalSigma::kSigmaMin}};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_WORDS_H_
