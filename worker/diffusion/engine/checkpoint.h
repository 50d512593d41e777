// A trajectory between two steps, as bytes: enough for any worker with the same model to go on from and end
// with the same picture. The bytes are a safetensors file (x, history.0 …, generator, what guidance
// remembers, and in the later stages of a cascade, unless they go on with latents, the picture of the stage
// before) whose metadata hold stage and step, the format's version, the request's fingerprint and the model's
// revision.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_H_
#define MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_H_

#include <string>
#include <string_view>

#include "worker/diffusion/engine/trajectory.h"
#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// The parts of a SampleState that a checkpoint holds. Cheap to take (tensors are shared; samplers never write
// to them in place); turning it into bytes can be left to another thread.
struct CheckpointParts {
  size_t stage = 0;
  at::Tensor stage_source;  // of later stages of a cascade
  int64_t step = 0;         // of the stage
  at::Tensor x;
  std::vector<at::Tensor> history;
  std::vector<double> scalars;
  at::Tensor generator;
  GuidanceMemory guidance;

  // REQUIRES: the trajectory's noise is a SeededNoise.
  static CheckpointParts Of(const Trajectory& trajectory);
};

// `parts` are of the trajectory, now or before: only what is constant after its preparation is read.
std::string SerializeCheckpoint(const CheckpointParts& parts, const Trajectory& trajectory);

// Where to go on.
struct Checkpoint {
  size_t stage = 0;
  at::Tensor
      stage_source;   // uint8 [H, W, 3]; undefined in the first stage, and where latents are gone on with
  SampleState state;  // on the stage's device
  GuidanceMemory guidance;
};

// For a trajectory whose fingerprint and stages are there. Throws CheckpointError saying what does not fit:
// the bytes come over the network.
Checkpoint ParseCheckpoint(std::string_view bytes, const Trajectory& trajectory);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_H_
