// Whether pictures show what was asked for, as a classifier sees them.
#ifndef MIND_WORKER_EVALUATION_JUDGE_H_
#define MIND_WORKER_EVALUATION_JUDGE_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/evaluation/prompts.h"
#include "worker/training/picture_classifier.h"

namespace mind::evaluation {

struct Judgement {
  int64_t things = 0, first = 0,
          among_five = 0;  // judged; the likeliest is right; it is among the five likeliest
  int64_t colours = 0, right_colours = 0;
};

// pictures: float [N, 3, H, W] from -1 to 1, one a prompt. Throws diffusion::Error for a thing or colour that
// the classifier does not know.
Judgement Judge(const training::PictureClassifier& classifier, const at::Tensor& pictures,
                const std::vector<Prompt>& prompts);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_JUDGE_H_
