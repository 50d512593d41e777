// Adams-Bashforth's rule for even steps, which several samplers apply to noise predictions.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ADAMS_BASHFORTH_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ADAMS_BASHFORTH_H_

#include <ATen/ATen.h>

#include <vector>

namespace mind::diffusion {

// The mean slope over the next step by the newest slopes, oldest first; of the order their number allows, up
// to 4. Liu et al. 2022, eq. 12.
inline at::Tensor AdamsBashforth(const std::vector<at::Tensor>& e) {
  const size_t n = e.size();
  if (n == 1) return e[0];
  if (n == 2) return (3 * e[1] - e[0]) / 2;
  if (n == 3) return (23 * e[2] - 16 * e[1] + 5 * e[0]) / 12;
  return (55 * e[n - 1] - 59 * e[n - 2] + 37 * e[n - 3] - 9 * e[n - 4]) / 24;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ADAMS_BASHFORTH_H_
