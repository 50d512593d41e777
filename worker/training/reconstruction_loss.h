// How far a picture drawn by a decoder is from the one it should be.
#ifndef MIND_WORKER_TRAINING_RECONSTRUCTION_LOSS_H_
#define MIND_WORKER_TRAINING_RECONSTRUCTION_LOSS_H_

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "worker/training/perceptual_distance.h"

namespace mind::training {

// |x - y| + (x - y)² + gradient_weight · |∇x - ∇y| + perceptual_weight · PerceptualDistance(x, y), all means.
// Const; any thread may call.
class ReconstructionLoss {
 public:
  struct Options {
    double gradient_weight = 0.5;
    double perceptual_weight = 0.1;
    std::string perceptual_classifier = {};  // folder of the classifier to look with; empty: no such term
  };

  // Throws diffusion::ModelError.
  ReconstructionLoss(const Options& options, at::Device device);

  // Pictures and what was drawn, float [B, 3, H, W] from -1 to 1 → a number.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& y) const;

 private:
  const Options options_;
  const std::unique_ptr<const PerceptualDistance> perceptual_;  // null: no such term
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_RECONSTRUCTION_LOSS_H_
