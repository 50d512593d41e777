// Telling what pictures show, so that pictures can be judged. Learnt on pictures moved, enlarged, lit and
// blurred at random, so that it looks at things and not at pixels.
#ifndef MIND_WORKER_TRAINING_CLASSIFIER_H_
#define MIND_WORKER_TRAINING_CLASSIFIER_H_

#include "worker/training/captioned_set.h"
#include "worker/training/objective.h"
#include "worker/training/picture_classifier.h"

namespace mind::training {

class Classifier : public Objective {
 public:
  // config.network: PictureClassifierConfig's, but for what the pictures say themselves. Throws
  // diffusion::ModelError.
  Classifier(const RunConfig& config, CaptionedSet set, Parameters& parameters);

  int64_t count() const override { return set_.count(); }
  // Cross entropies of things, and of colours where they are known.
  at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const override;
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;
  Tensors ReadModel(const std::string& directory) const override;
  // Examples as they are learnt from, moved and lit.
  std::string DrawSheet(const std::string& directory, int threads) const override;

 private:
  at::Tensor Augmented(const std::vector<int64_t>& examples, StepRandom& random) const;

  const CaptionedSet set_;
  const at::Tensor thing_, colour_;  // int64 [N]
  const at::Device device_;
  const PictureClassifier classifier_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_CLASSIFIER_H_
