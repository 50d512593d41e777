// Whether pictures show what was asked for, as a classifier sees them.
#ifndef MIND_WORKER_EVALUATION_JUDGE_H_
#define MIND_WORKER_EVALUATION_JUDGE_H_

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

#include "worker/evaluation/prompts.h"
#include "worker/training/picture_classifier.h"

namespace mind::evaluation {

// Of one picture.
struct Verdict {
  std::string thing, colour;               // the likeliest
  std::optional<int64_t> likelier_things;  // than the one asked for; none: no thing was asked for
  std::optional<bool> right_colour;        // none: no colour was asked for
};

struct Judgement {
  std::vector<Verdict> verdicts;      // one a picture
  int64_t things = 0;                 // judged
  int64_t first = 0, among_five = 0;  // of them, the likeliest is right; it is among the five likeliest
  int64_t colours = 0;                // judged
  int64_t right_colours = 0;
};

// pictures: float [N, 3, H, W] from -1 to 1, one a prompt. Throws diffusion::Error for a thing or colour that
// the classifier does not know.
Judgement Judge(const training::PictureClassifier& classifier, const at::Tensor& pictures,
                const std::vector<Prompt>& prompts);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_JUDGE_H_
