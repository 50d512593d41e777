// The captions of pictures as a network is told them.
#ifndef MIND_WORKER_TRAINING_CAPTIONS_H_
#define MIND_WORKER_TRAINING_CAPTIONS_H_

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "worker/diffusion/text/tokenizer.h"
#include "worker/training/random.h"

namespace mind::training {

class Captions {
 public:
  // `captions`: of each picture, one or more. `dropout`: how often a picture goes without, 0 to below 1,
  // which is what guidance needs (Ho & Salimans 2022).
  Captions(const std::vector<std::vector<std::string>>& captions, const diffusion::Tokenizer& tokenizer,
           double dropout);

  // One caption of each of these pictures at random, or none: int64 [B, length] on the CPU.
  at::Tensor Draw(const std::vector<int64_t>& examples, StepRandom& random) const;

 private:
  std::vector<std::vector<at::Tensor>> tokens_;  // of each picture: int64 [length]
  at::Tensor none_;
  double dropout_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_CAPTIONS_H_
