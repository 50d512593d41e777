// How far apart two pictures look to a network.
#ifndef MIND_WORKER_TRAINING_PERCEPTUAL_DISTANCE_H_
#define MIND_WORKER_TRAINING_PERCEPTUAL_DISTANCE_H_

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "worker/training/picture_classifier.h"

namespace mind::training {

// LPIPS with all of its weights one (Zhang et al. 2018, eq. 1), by a classifier of mind-train's: the squared
// difference of its feature maps, each position's made a unit vector, averaged over positions and pictures
// and added up over levels. Unlike a difference of pixels it asks for the texture and the edges that are
// there, not for the mean of all that could be. Const; any thread may call.
class PerceptualDistance {
 public:
  // Reads the classifier in a folder. Throws diffusion::ModelError.
  PerceptualDistance(const std::string& folder, at::Device device);

  // float [B, 3, H, W] from -1 to 1, both → a number from 0 to 4 a level, with a graph to whichever has one.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& y) const;

 private:
  const std::unique_ptr<const PictureClassifier> classifier_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_PERCEPTUAL_DISTANCE_H_
