// Which training steps to visit when only a few may be: the search of Watson et al. 2021 ("Learning to
// efficiently sample from diffusion probabilistic models"), sec. 3.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_OPTIMAL_TIMESTEPS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_OPTIMAL_TIMESTEPS_H_

#include <cstdint>
#include <map>
#include <vector>

namespace mind::diffusion {

// A training step that may be visited, and what the model can do there.
struct Candidate {
  int64_t timestep = 0;
  double snr = 0;       // alpha² / sigma²
  double x0_error = 0;  // E|x0 - estimate of x0|² / dimensions
};

// What a step from `from` down to `to` costs of the evidence lower bound, in nats per dimension: the
// divergence between the posterior given x0 and given its estimate, (snr_to - snr_from) / 2 · error.
double StepCost(const Candidate& from, const Candidate& to);

// For every count from 2 to `max_steps`, the timesteps, noisiest first, whose steps cost least in all; first
// and last candidate are always among them. By dynamic programming. REQUIRES: candidates rise in timestep and
// fall in snr, at least two, at least max_steps
std::map<int64_t, std::vector<int64_t>> OptimalTimesteps(const std::vector<Candidate>& candidates,
                                                         int64_t max_steps);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_OPTIMAL_TIMESTEPS_H_
