// Pictures with captions to learn from, in memory.
#ifndef MIND_WORKER_TRAINING_CAPTIONED_SET_H_
#define MIND_WORKER_TRAINING_CAPTIONED_SET_H_

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace mind::training {

struct CaptionedSet {
  at::Tensor pictures;                             // uint8 [N, 4, H, W]: red, green, blue, alpha
  std::vector<std::vector<std::string>> captions;  // of each, one or more, UTF-8
  // What they show and in what colour, where the folder says so: names, and of each picture the number of
  // one; -1: none.
  std::vector<std::string> things, colours;
  std::vector<int64_t> thing, colour;

  int64_t count() const { return pictures.size(0); }
  // These pictures on white: float [B, 3, H, W] from -1 to 1.
  at::Tensor OnWhite(const std::vector<int64_t>& examples) const;
};

// The numbers from `begin` on.
std::vector<int64_t> Consecutive(int64_t begin, int64_t count);

// A folder with pictures.safetensors, whose tensor "pictures" is as above, and captions.json, a list of one
// list of strings a picture, and if known things, colours, thing and colour. Throws diffusion::ModelError
// naming file and what is wrong.
CaptionedSet ReadCaptionedFolder(const std::string& folder);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_CAPTIONED_SET_H_
