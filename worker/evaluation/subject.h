// What is judged.
#ifndef MIND_WORKER_EVALUATION_SUBJECT_H_
#define MIND_WORKER_EVALUATION_SUBJECT_H_

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "worker/evaluation/prompts.h"

namespace mind::evaluation {

// Pictures, and what they are to show, as far as it is known.
struct Subject {
  std::string name;                  // for people: a model, a folder
  at::Tensor pictures;               // float [N, 3, H, W] from -1 to 1
  std::vector<Prompt> prompts = {};  // one a picture, or none at all
};

// A folder of picture files, or one of captioned pictures as mind-train reads them. Throws diffusion::Error.
Subject ReadFolder(const std::string& folder);

// The pictures of a subject through the autoencoder in a folder (a vae/) and back. Throws diffusion::Error.
Subject ThroughAutoencoder(const std::string& folder, const Subject& subject);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_SUBJECT_H_
