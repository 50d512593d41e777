// Pictures of a model directory on one sheet, made by the engine that serves them.
#ifndef MIND_WORKER_TRAINING_SAMPLE_SHEET_H_
#define MIND_WORKER_TRAINING_SAMPLE_SHEET_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mind::training {

struct SampleSheet {
  std::string model;  // its directory
  int columns = 10;   // one a class, where it has classes
  int rows = 4;
  int64_t steps = 0;    // 0: the model's default
  std::string sampler;  // empty: the model's default
  int threads = 1;
  std::vector<std::string> prompts = {};  // one a picture, as many rows as they need; empty: no prompts
};

// A PNG file. Picture (row, column) has the seed row · columns + column; missing ones are white. Throws
// diffusion::Error.
std::string DrawSamples(const SampleSheet& sheet);

// uint8 [H, W, 3] as a PNG file.
std::string EncodeSheet(const at::Tensor& picture);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_SAMPLE_SHEET_H_
