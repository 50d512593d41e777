// What a network sees in pictures.
#ifndef MIND_WORKER_EVALUATION_FEATURES_H_
#define MIND_WORKER_EVALUATION_FEATURES_H_

#include <ATen/ATen.h>

#include <memory>
#include <string>

namespace mind::evaluation {

class FeatureExtractor {
 public:
  virtual ~FeatureExtractor() = default;
  // pictures: float [B, 3, H, W] from -1 to 1, of any size → float [B, D]
  virtual at::Tensor operator()(const at::Tensor& pictures) const = 0;
  virtual std::string name() const = 0;
};

// A TorchScript file that takes pictures [B, 3, 299, 299] from -1 to 1 and gives [B, D]: InceptionV3 up to
// its last pooling, as FID in the literature is measured by. Throws diffusion::ModelError.
std::unique_ptr<const FeatureExtractor> ReadTorchScript(const std::string& path);

// The features of a classifier that mind-train wrote, in a folder. Throws diffusion::ModelError.
std::unique_ptr<const FeatureExtractor> ClassifierFeatures(const std::string& folder);

// All of them, some at a time.
at::Tensor FeaturesOf(const FeatureExtractor& extractor, const at::Tensor& pictures);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_FEATURES_H_
