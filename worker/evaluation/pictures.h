// Where pictures to be judged come from.
#ifndef MIND_WORKER_EVALUATION_PICTURES_H_
#define MIND_WORKER_EVALUATION_PICTURES_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "worker/evaluation/prompts.h"

namespace mind::evaluation {

struct Service {
  std::string server = "127.0.0.1:8080";
  std::string model;     // empty: the only one
  uint32_t steps = 0;    // 0: the model's default
  double guidance = -1;  // below 0: the model's default
  std::string sampler;   // empty: the model's default
  uint64_t seed = 0;     // of the first picture; each has the next
  int64_t most_at_once = 32;
};

// One picture a prompt, made by a running server as any client's. → float [N, 3, H, W] from -1 to 1. Throws
// diffusion::Error with the server's words.
at::Tensor FromService(const Service& service, const std::vector<Prompt>& prompts);

// The PNG, JPEG and WebP files in a folder, in the order of their names, all of one size.
at::Tensor FromFolder(const std::string& folder);

// Puts pictures side by side: a PNG file. Of several sets, each as above, those of the same number stand
// below one another; the smaller ones are enlarged. Throws diffusion::Error unless there are as many of each.
std::string ContactSheet(const std::vector<at::Tensor>& sets, int64_t columns);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_PICTURES_H_
