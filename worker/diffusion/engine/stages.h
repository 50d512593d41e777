// A trajectory's way through its stages beside the step thread: from its request to its first step, from one
// stage of a cascade to the next, and from the last step to the picture.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_STAGES_H_
#define MIND_WORKER_DIFFUSION_ENGINE_STAGES_H_

#include <ATen/ATen.h>

#include <memory>

#include "worker/diffusion/engine/source_frame.h"
#include "worker/diffusion/engine/trajectory.h"

namespace mind::diffusion {

// Slow, under inference mode, while the trajectory is the caller's alone. They throw whatever an engine may
// tell a request's owner.

// Its stages, and the state in which it begins or goes on from its checkpoint. `decode` may be null: then
// requests with source pictures are refused.
void Prepare(Trajectory& trajectory, std::shared_ptr<const Pipeline> model, const DecodeFile& decode);
// uint8 [H, W, 3] on the CPU: what the last stage has made, put back into the source picture where the
// request says so. Throws ModelError where the numbers are not finite.
at::Tensor FinishedPicture(const Trajectory& trajectory, const DecodeFile& decode);
// On to the next stage, with the picture or the latents of this one. Throws ModelError where the numbers are
// not finite. REQUIRES: there is one.
void BeginNextStage(Trajectory& trajectory, const DecodeFile& decode);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STAGES_H_
