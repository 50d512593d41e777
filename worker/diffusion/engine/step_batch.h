// Which parked evaluations share the next forward.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_
#define MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "worker/diffusion/engine/trajectory.h"

namespace mind::diffusion {

// Whether two trajectories' rows fit one forward: same model, same latent shape, conditions of the same
// shape.
bool FitTogether(const Trajectory& a, const Trajectory& b);

// Of the trajectories given, all parked: the highest priority first, among equals the one served longest ago,
// and with it all that fit together in that same order, as far as cap(leader) rows reach. At least one. Fair
// by construction: whoever waits longest leads the next batch of its priority.
std::vector<std::shared_ptr<Trajectory>> ChooseStepBatch(
    std::vector<std::shared_ptr<Trajectory>> parked,
    const std::function<size_t(const Trajectory& leader)>& cap);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STEP_BATCH_H_
