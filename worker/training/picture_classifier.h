// A small network that says what a picture shows, and in what colour: the judge of mind-eval.
#ifndef MIND_WORKER_TRAINING_PICTURE_CLASSIFIER_H_
#define MIND_WORKER_TRAINING_PICTURE_CLASSIFIER_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/resample.h"
#include "worker/diffusion/models/resnet_block.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::training {

struct PictureClassifierConfig {
  int64_t extent = 64;                            // pixels each way
  std::vector<int64_t> channels = {32, 64, 128};  // a level each, finest first
  int64_t groups = 8;
  std::vector<std::string> things, colours;

  static PictureClassifierConfig From(const diffusion::Config& config);  // Throws diffusion::ModelError
  nlohmann::json ToJson() const;
};

// Residual blocks, halved between levels, averaged over the picture.
class PictureClassifier {
 public:
  PictureClassifier(const diffusion::Scope& scope, PictureClassifierConfig config);

  struct Output {
    at::Tensor features;  // float [B, last channels]
    at::Tensor things;    // float [B, things]: logits
    at::Tensor colours;   // float [B, colours]: logits
  };
  // pictures: float [B, 3, extent, extent] from -1 to 1
  Output operator()(const at::Tensor& pictures) const;
  // What it sees on the way there, finest first: float [B, channels[k], H / 2^k, W / 2^k] of pictures float
  // [B, 3, H, W], which may have any extent.
  std::vector<at::Tensor> Levels(const at::Tensor& pictures) const;

  const PictureClassifierConfig& config() const { return config_; }

 private:
  const PictureClassifierConfig config_;
  diffusion::Conv2d in_;
  std::vector<diffusion::ResnetBlock> blocks_;
  std::vector<diffusion::Downsample> halvings_;
  diffusion::GroupNorm norm_;
  diffusion::Linear things_, colours_;
};

// The one in a folder that mind-train wrote. Throws diffusion::ModelError.
std::unique_ptr<const PictureClassifier> ReadClassifier(const std::string& folder,
                                                        at::Device device = at::kCPU);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_PICTURE_CLASSIFIER_H_
