// What is asked for, and what should be seen then.
#ifndef MIND_WORKER_EVALUATION_PROMPTS_H_
#define MIND_WORKER_EVALUATION_PROMPTS_H_

#include <string>
#include <vector>

#include "worker/training/captioned_set.h"

namespace mind::evaluation {

struct Prompt {
  std::string text;
  std::string thing;   // empty: not judged
  std::string colour;  // likewise
};

// A file of lines "prompt <tab> thing <tab> colour", of which the last two may be left out; '#' begins a
// comment. Throws diffusion::Error naming file and line.
std::vector<Prompt> ReadPrompts(const std::string& path);

// What captioned pictures show: of each its first caption, and thing and colour where the set names them.
std::vector<Prompt> LabelsOf(const training::CaptionedSet& set);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_PROMPTS_H_
