#include "worker/evaluation/features.h"

#include <torch/script.h>

#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/training/picture_classifier.h"

namespace mind::evaluation {
namespace {

constexpr int64_t kInceptionExtent = 299;
constexpr int64_t kChunk = 32;

at::Tensor Resized(const at::Tensor& pictures, int64_t extent) {
  if (pictures.size(2) == extent && pictures.size(3) == extent) return pictures;
  return at::upsample_bilinear2d(pictures, {extent, extent}, /*align_corners=*/false);
}

class TorchScript : public FeatureExtractor {
 public:
  TorchScript(torch::jit::Module module, std::string name)
      : module_(std::move(module)), name_(std::move(name)) {}

  at::Tensor operator()(const at::Tensor& pictures) const override {
    torch::jit::Module module = module_;  // shares its parameters; forward is not const
    const c10::IValue output = module.forward({Resized(pictures, kInceptionExtent)});
    if (!output.isTensor() || output.toTensor().dim() != 2)
      throw diffusion::ModelError(name_ + ": gives no tensor [B, D]");
    return output.toTensor();
  }
  std::string name() const override { return name_; }

 private:
  const torch::jit::Module module_;
  const std::string name_;
};

class OfClassifier : public FeatureExtractor {
 public:
  OfClassifier(std::unique_ptr<const training::PictureClassifier> classifier, std::string name)
      : classifier_(std::move(classifier)), name_(std::move(name)) {}

  at::Tensor operator()(const at::Tensor& pictures) const override {
    return (*classifier_)(Resized(pictures, classifier_->config().extent)).features;
  }
  std::string name() const override { return name_; }

 private:
  const std::unique_ptr<const training::PictureClassifier> classifier_;
  const std::string name_;
};

}  // namespace

std::unique_ptr<const FeatureExtractor> ReadTorchScript(const std::string& path) {
  try {
    torch::jit::Module module = torch::jit::load(path, at::kCPU);
    module.eval();
    return std::make_unique<TorchScript>(std::move(module), std::filesystem::path(path).filename().string());
  } catch (const c10::Error& e) {
    throw diffusion::ModelError(path + ": not a TorchScript file: " + e.what_without_backtrace());
  }
}

std::unique_ptr<const FeatureExtractor> ClassifierFeatures(const std::string& folder) {
  return std::make_unique<OfClassifier>(training::ReadClassifier(folder), "classifier");
}

at::Tensor FeaturesOf(const FeatureExtractor& extractor, const at::Tensor& pictures) {
  std::vector<at::Tensor> features;
  for (int64_t begin = 0; begin < pictures.size(0); begin += kChunk)
    features.push_back(extractor(pictures.slice(0, begin, begin + kChunk)));
  return at::cat(features);
}

}  // namespace mind::evaluation
