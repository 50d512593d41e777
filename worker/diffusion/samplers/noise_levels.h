// The noise levels that each family of samplers walks along.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_LEVELS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_LEVELS_H_

#include <cstdint>
#include <vector>

#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// Of the samplers in sigma form (Euler, Heun, LMS …): variance exploding, ending at sigma 0 or sigma_min.
// `default_spacing` where the configuration leaves it open. Reference: diffusers
// EulerDiscreteScheduler.set_timesteps.
NoiseLevels SigmaLevels(const SamplerConfig& config, int64_t steps, Spacing default_spacing);

// Of the samplers in lambda form (DPM-Solver, UniPC, DEIS): variance preserving, training steps rounded to
// whole ones. Reference: diffusers DPMSolverMultistepScheduler.set_timesteps. Throws RequestError where
// two steps would fall on the same level.
NoiseLevels SolverLevels(const SamplerConfig& config, int64_t steps);

// Of DPM-Solver from picture to noise: from the cleanest training step to the noisiest. Reference: diffusers
// DPMSolverMultistepInverseScheduler.set_timesteps.
NoiseLevels InverseSolverLevels(const SamplerConfig& config, int64_t steps);

// Of the samplers that jump between training steps (DDPM, DDIM, PNDM): whole training steps, noisiest first.
// Custom and optimal timesteps are honoured. Throws RequestError where a model has no optimal ones.
std::vector<int64_t> TrainingSteps(const SamplerConfig& config, int64_t steps, Spacing default_spacing);

// Of networks trained on a continuum of levels, for every sampler: geometric (exploding), Karras or
// exponential (EDM), shifted (flow), evenly spaced in angle (cosine). The last level is clean.
NoiseLevels ContinuumLevels(const SamplerConfig& config, int64_t steps);

// A level at an exploding-form sigma of a network of any form, alpha = 1.
NoiseLevel LevelOfSigma(const SamplerConfig& config, double sigma, const std::vector<double>& sigma_table);

// The levels half-way in log sigma between each level and where the step from it ends, for every step but the
// last. `end_of` tells that sigma by the step's two levels.
std::vector<NoiseLevel> GeometricMiddles(const SamplerConfig& config, const NoiseLevels& levels,
                                         double (*end_of)(double from, double to));

// The sigma of every training step; empty for networks without.
std::vector<double> TrainingSigmas(const SamplerConfig& config);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_LEVELS_H_
