// A trajectory between two steps, as bytes: enough for any worker with the same model to go on from and end
// with the same picture. The bytes are a safetensors file (x, history.0 …, generator) whose metadata hold the
// step, the format's version and the request's fingerprint.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_H_
#define MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_H_

#include <string>
#include <string_view>

#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// The parts of a SampleState that a checkpoint holds. Cheap to take (tensors are shared; samplers never write
// to them in place); turning it into bytes can be left to another thread.
struct CheckpointParts {
  int64_t step = 0;
  at::Tensor x;
  std::vector<at::Tensor> history;
  std::vector<double> scalars;
  at::Tensor generator;

  // REQUIRES: state.noise is a SeededNoise.
  static CheckpointParts Of(const SampleState& state);
};

std::string SerializeCheckpoint(const CheckpointParts& parts, const TrajectoryRequest& request);

// The state to go on from, on the device. `shape` is the latent's. Throws CheckpointError saying what does
// not fit: the bytes come over the network.
SampleState ParseCheckpoint(std::string_view bytes, const TrajectoryRequest& request, at::IntArrayRef shape,
                            at::Device device);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_CHECKPOINT_H_
