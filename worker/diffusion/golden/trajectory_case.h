// One recorded run of a diffusers pipeline, replayed picture by picture.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_TRAJECTORY_CASE_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_TRAJECTORY_CASE_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

struct TrajectoryCase {
  const nlohmann::json& item;  // what was asked for
  const Record& record;
  const Pipeline& pipeline;
  std::vector<LoraUse> loras;
};

// Compares everything recorded on the way: prompts, the noise of a seed, what the denoiser was asked and
// answered, x after every step, the picture.
void CheckTrajectory(const TrajectoryCase& c, Report::Case& result);

// What diffusers v0.30.3's scheduler of this class does with the noise it draws.
Idle IdleDrawsOf(const std::string& scheduler_class);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_TRAJECTORY_CASE_H_
