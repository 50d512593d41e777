// What decoders learn by.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/parameters.h"
#include "worker/training/reconstruction_loss.h"

namespace mind::training {
namespace {

class Reconstruction : public testing::Test {
 protected:
  Reconstruction() { at::manual_seed(1); }

  // A classifier that has not learnt anything yet.
  std::string Classifier() const {
    Parameters parameters({.seed = 1});
    PictureClassifierConfig config{
        .extent = 16, .channels = {8, 16}, .groups = 4, .things = {"a"}, .colours = {"b"}};
    const PictureClassifier classifier(diffusion::Scope(parameters), config);
    Tensors tensors;
    for (const auto& [name, tensor] : parameters.tensors()) tensors[name] = tensor.detach();
    std::ofstream(folder_ / "model.safetensors", std::ios::binary)
        << diffusion::SerializeSafeTensors(tensors);
    std::ofstream(folder_ / "config.json") << config.ToJson();
    return folder_.string();
  }

  support::TemporaryFolder folder_;
};

TEST_F(Reconstruction, TheLossFollowsItsDefinition) {
  const at::Tensor x = at::zeros({1, 3, 2, 2}), y = at::zeros({1, 3, 2, 2});
  y.select(3, 0).fill_(0.5);
  // Half of the pixels are off by 0.5; so are all differences across, and none down.
  EXPECT_NEAR(ReconstructionLoss({.gradient_weight = 0.2}, at::kCPU)(x, y).item<double>(),
              0.25 + 0.125 + 0.2 * 0.5, 1e-6);
}

TEST_F(Reconstruction, ThePerceptualTermIsAddedWithItsWeight) {
  const at::Tensor x = at::rand({2, 3, 24, 24}), y = at::rand({2, 3, 24, 24});
  const std::string folder = Classifier();
  const double without = ReconstructionLoss({}, at::kCPU)(x, y).item<double>(),
               with = ReconstructionLoss({.perceptual_weight = 0.3, .perceptual_classifier = folder},
                                         at::kCPU)(x, y)
                          .item<double>(),
               distance = PerceptualDistance(folder, at::kCPU)(x, y).item<double>();
  EXPECT_GT(distance, 0.01);
  EXPECT_NEAR(with, without + 0.3 * distance, 1e-5);
  EXPECT_THROW(ReconstructionLoss({.perceptual_classifier = "/nope"}, at::kCPU), diffusion::ModelError);
}

TEST_F(Reconstruction, ThePerceptualDistanceIsOneOfDirections) {
  const PerceptualDistance distance(Classifier(), at::kCPU);
  const at::Tensor x = at::rand({2, 3, 16, 16}), y = at::rand({2, 3, 16, 16});
  EXPECT_EQ(distance(x, x).item<double>(), 0);
  EXPECT_NEAR(distance(x, y).item<double>(), distance(y, x).item<double>(), 1e-6);
  // Opposite ones, at each of two levels: what has not learnt yet is linear.
  EXPECT_NEAR(distance(x, -x).item<double>(), 8, 1e-4);
  const auto classifier = ReadClassifier(folder_.string());
  const std::vector<at::Tensor> a = classifier->Levels(x), b = classifier->Levels(y);
  ASSERT_EQ(a.size(), 2U);
  EXPECT_EQ(a[1].sizes(), (std::vector<int64_t>{2, 16, 8, 8}));
  double sum = 0;
  for (size_t level = 0; level < 2; ++level)
    sum += 2 - 2 * at::cosine_similarity(a[level], b[level], 1).mean().item<double>();
  EXPECT_NEAR(distance(x, y).item<double>(), sum, 1e-5);
}

TEST_F(Reconstruction, ThePerceptualTermTeaches) {
  const ReconstructionLoss loss({.perceptual_weight = 1, .perceptual_classifier = Classifier()}, at::kCPU);
  const at::Tensor x = at::rand({1, 3, 16, 16}), y = at::rand({1, 3, 16, 16}).requires_grad_();
  loss(x, y).backward();
  EXPECT_GT(y.grad().abs().min().item<double>(), 0);
}

}  // namespace
}  // namespace mind::training
