// Squares of pictures, for what can be learnt from a part of one.
#ifndef MIND_WORKER_TRAINING_CROP_H_
#define MIND_WORKER_TRAINING_CROP_H_

#include <ATen/ATen.h>

#include "worker/training/random.h"

namespace mind::training {

// Where to cut, one place a picture.
struct Corners {
  at::Tensor y, x;  // int64 [B]
};

// Corners of squares of this extent that lie within height and width, evenly.
Corners DrawCorners(int64_t count, int64_t height, int64_t width, int64_t extent, StepRandom& random);

// Throws diffusion::ModelError unless pictures of so many latents have such squares. 0: no squares are
// wanted.
void ExpectCrop(int64_t extent, int64_t height, int64_t width);

// Of each picture [B, C, H, W] the square at its corner times `scale`: [B, C, extent · scale, extent ·
// scale].
at::Tensor Cropped(const at::Tensor& pictures, const Corners& corners, int64_t extent, int64_t scale = 1);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_CROP_H_
