// The last stage of Taichu-GLIDE: a generator that makes a picture four times larger in one go.
// Sources: Ledig et al. 2017 (SRGAN), fig. 4; mindspore-lab/minddiffusion vision/Taichu-GLIDE.
#ifndef MIND_WORKER_DIFFUSION_MODELS_SUPER_RESOLUTION_GAN_H_
#define MIND_WORKER_DIFFUSION_MODELS_SUPER_RESOLUTION_GAN_H_

#include <vector>

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class SuperResolutionGan {
 public:
  struct Shape {
    int64_t channels = 64;
    int64_t blocks = 16;
    int64_t doublings = 2;
  };
  // What a file holds. Throws ModelError if it is not such a generator.
  static Shape ShapeOf(const NamedTensors& tensors);

  // Parameters are taken under the original's names.
  SuperResolutionGan(const Scope& scope, const Shape& shape);

  // How many times larger a picture gets.
  int64_t enlargement() const { return int64_t{1} << doublings_.size(); }

  // float [B, 3, H, W] in [-1, 1], not rounded to bytes → [B, 3, H·e, W·e] in [-1, 1]
  at::Tensor operator()(const at::Tensor& picture) const;

 private:
  // Batch normalisation by the recorded statistics: a scale and a shift a channel.
  struct Norm {
    Norm(const Scope& scope, int64_t channels);
    at::Tensor operator()(const at::Tensor& x) const;
    at::Tensor weight, bias, mean, variance;
  };
  struct Block {
    Block(const Scope& scope, int64_t channels);
    Conv2d conv1;
    Norm norm1;
    at::Tensor slope;
    Conv2d conv2;
    Norm norm2;
  };
  struct Doubling {
    Doubling(const Scope& scope, int64_t channels);
    Conv2d conv;
    at::Tensor slope;
  };

  Conv2d conv_in_;
  at::Tensor slope_in_;
  std::vector<Block> trunk_;
  Conv2d conv_trunk_;
  at::Tensor slope_trunk_;
  std::vector<Doubling> doublings_;
  Conv2d conv_out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_SUPER_RESOLUTION_GAN_H_
