// Pictures of a model directory on one sheet, made by the engine that serves them.
#ifndef MIND_WORKER_TRAINING_SAMPLE_SHEET_H_
#define MIND_WORKER_TRAINING_SAMPLE_SHEET_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mind::training {

struct SampleSheet {
  int columns = 10;  // one a class, where it has classes
  int rows = 4;
  int64_t steps = 0;                      // 0: the model's default
  std::string sampler;                    // empty: the model's default
  std::vector<std::string> prompts = {};  // one a picture, as many rows as they need; empty: no prompts
  std::vector<std::string> sources = {};  // a picture file for each of the prompts; empty: none
};

// Pictures of the model in a directory, each uint8 [H, W, 3]. Picture k has the seed k. `threads`: on the
// CPU, rows computed at the same time. Throws diffusion::Error.
std::vector<at::Tensor> SamplesOf(const SampleSheet& sheet, const std::string& model, at::Device device,
                                  int threads);
// The same, row by row as a PNG file.
std::string DrawSamples(const SampleSheet& sheet, const std::string& model, at::Device device, int threads);

// Pictures, each uint8 [H, W, 3] and all of one size, row by row as a PNG file; the last row is filled up
// with white.
std::string EncodeSheet(std::vector<at::Tensor> pictures, int64_t columns);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_SAMPLE_SHEET_H_
