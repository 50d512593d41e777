// Labelled pictures to learn from, in memory.
#ifndef MIND_WORKER_TRAINING_PICTURE_SET_H_
#define MIND_WORKER_TRAINING_PICTURE_SET_H_

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace mind::training {

struct PictureSet {
  at::Tensor pictures;  // uint8 [N, 3, H, W]
  at::Tensor labels;    // int64 [N]
  int64_t count() const { return pictures.size(0); }

  // The first so many.
  PictureSet First(int64_t most) const;
};

// MNIST's format, plain or gzipped (yann.lecun.com/exdb/mnist): grey pictures become three equal channels.
// Throws diffusion::ModelError naming file and what is wrong.
PictureSet ReadIdx(const std::string& pictures, const std::string& labels);
// CIFAR-10's binary files (cs.toronto.edu/~kriz/cifar.html): a byte of label, 3072 of picture, over and over.
PictureSet ReadCifar10(const std::vector<std::string>& files);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_PICTURE_SET_H_
