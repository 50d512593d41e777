#include "worker/diffusion/samplers/optimal_timesteps.h"

#include <limits>

namespace mind::diffusion {

double StepCost(const Candidate& from, const Candidate& to) {
  return (to.snr - from.snr) / 2 * from.x0_error;
}

std::map<int64_t, std::vector<int64_t>> OptimalTimesteps(const std::vector<Candidate>& candidates,
                                                         int64_t max_steps) {
  const size_t n = candidates.size();
  constexpr double kUnreachable = std::numeric_limits<double>::infinity();
  // Of the cheapest way from the noisiest candidate to each: its cost with k visited, and where it came from.
  std::vector<double> cost(n, kUnreachable);
  cost.back() = 0;
  std::vector<std::vector<size_t>> came_from(1);  // by k, from 1
  std::map<int64_t, std::vector<int64_t>> best;
  for (int64_t visited = 2; visited <= max_steps; ++visited) {
    std::vector<double> next(n, kUnreachable);
    std::vector<size_t> from(n, n);
    for (size_t to = 0; to < n; ++to) {
      for (size_t i = to + 1; i < n; ++i) {
        const double total = cost[i] + StepCost(candidates[i], candidates[to]);
        if (total < next[to]) {
          next[to] = total;
          from[to] = i;
        }
      }
    }
    cost = next;
    came_from.push_back(from);
    std::vector<int64_t> path;
    size_t at = 0;
    for (size_t k = came_from.size() - 1; k > 0; --k) {
      path.push_back(candidates[at].timestep);
      at = came_from[k][at];
    }
    path.push_back(candidates[at].timestep);
    best[visited] = {path.rbegin(), path.rend()};
  }
  return best;
}

}  // namespace mind::diffusion
