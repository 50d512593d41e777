// What a step does to numbers: the optimiser, the average, the learning rate, and where parameters begin.
#include <gtest/gtest.h>

#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/adam_w.h"
#include "worker/training/average.h"
#include "worker/training/files.h"
#include "worker/training/learning_rate.h"
#include "worker/training/run_state.h"

namespace mind::training {
namespace {

TEST(Learning, AdamWFollowsItsPaper) {
  const Tensors parameters = {{"w", at::tensor({1.0, -2.0}).view({1, 2})}};
  AdamW optimizer(parameters, {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1});
  double w = 1, m = 0, v = 0;
  for (int step = 1; step <= 5; ++step) {
    const double g = 0.5 * step - 1;
    m = 0.9 * m + 0.1 * g;
    v = 0.99 * v + 0.01 * g * g;
    w -= 0.01 * 0.1 * w;
    w -= 0.01 * (m / (1 - std::pow(0.9, step))) / (std::sqrt(v / (1 - std::pow(0.99, step))) + 1e-8);
    optimizer.Step(parameters, {{"w", at::full({1, 2}, g)}}, 0.01, step);
    EXPECT_NEAR(parameters.at("w")[0][0].item<double>(), w, 1e-6) << step;
  }
}

TEST(Learning, BiasesDoNotDecay) {
  const Tensors parameters = {{"b", at::ones({3})}};
  AdamW optimizer(parameters, {.weight_decay = 0.5});
  optimizer.Step(parameters, {{"b", at::zeros({3})}}, 0.1, 1);
  EXPECT_TRUE(at::equal(parameters.at("b"), at::ones({3})));
}

TEST(Learning, TheAverageBeginsAsTheParametersThemselves) {
  const Tensors parameters = {{"w", at::zeros({1})}};
  Average average(parameters, {.decay = 0.5, .start = 2});
  parameters.at("w").fill_(1);
  average.Update(parameters, 1);
  EXPECT_EQ(average.tensors().at("w").item<double>(), 1);
  parameters.at("w").fill_(3);
  average.Update(parameters, 2);
  EXPECT_EQ(average.tensors().at("w").item<double>(), 3);
  parameters.at("w").fill_(0);
  for (int step = 3; step < 100; ++step) average.Update(parameters, step);
  EXPECT_LT(average.tensors().at("w").item<double>(), 1e-6);
  EXPECT_GT(average.tensors().at("w").item<double>(), 0);
}

TEST(Learning, TheRateWarmsUpAndFallsAsACosine) {
  const LearningRate rate{.peak = 1, .warm_up = 10, .cosine = true, .last = 0.1, .steps = 110};
  EXPECT_DOUBLE_EQ(rate.At(5), 0.5);
  EXPECT_DOUBLE_EQ(rate.At(10), 1);
  EXPECT_NEAR(rate.At(60), 0.55, 1e-12);
  EXPECT_NEAR(rate.At(110), 0.1, 1e-12);
  EXPECT_EQ((LearningRate{.peak = 2e-4}.At(1)), 2e-4);
}

TEST(Learning, ParametersFollowFromSeedAndNameAlone) {
  const auto built = [](uint64_t seed, bool other_first) {
    auto parameters = std::make_unique<Parameters>(Parameters::Options{.seed = seed});
    const diffusion::Scope scope(*parameters);
    if (other_first) diffusion::Linear(scope / "b", 4, 5);
    diffusion::Linear(scope / "a", 4, 5);
    diffusion::Linear(scope / "b", 4, 5);
    return parameters;
  };
  const auto first = built(1, false), second = built(1, true), third = built(2, false);
  EXPECT_TRUE(at::equal(first->tensors().at("a.weight"), second->tensors().at("a.weight")));
  EXPECT_FALSE(at::equal(first->tensors().at("a.weight"), first->tensors().at("b.weight")));
  EXPECT_FALSE(at::equal(first->tensors().at("a.weight"), third->tensors().at("a.weight")));
  EXPECT_LE(first->tensors().at("a.weight").abs().max().item<double>(), 0.5);  // 1 / sqrt(4)
  EXPECT_TRUE(at::equal(first->tensors().at("a.bias"), at::zeros({5})));
  EXPECT_EQ(first->count(), 2 * (4 * 5 + 5));
}

TEST(Learning, ValuesOfAnotherNetworkAreRefused) {
  Parameters parameters({});
  diffusion::Linear(diffusion::Scope(parameters) / "a", 2, 2);
  EXPECT_THROW(parameters.Restore({{"a.weight", at::zeros({2, 2})}}, "file"), diffusion::ModelError);
  EXPECT_THROW(parameters.Restore({{"a.weight", at::zeros({2, 3})}, {"a.bias", at::zeros({2})}}, "file"),
               diffusion::ModelError);
}

TEST(Learning, AStateOfAnotherRunOrADamagedOneIsRefused) {
  const std::string path = (std::filesystem::temp_directory_path() / "mind-state-test.safetensors").string();
  Parameters parameters({});
  diffusion::Linear(diffusion::Scope(parameters) / "a", 2, 2);
  AdamW optimizer(parameters.tensors(), {});
  Average average(parameters.tensors(), {});
  const Learner learner{parameters, optimizer, average};
  WriteFile(path, SerializeState(learner, 7, "run"));
  EXPECT_EQ(RestoreState(path, "run", learner), 7);
  EXPECT_THROW(RestoreState(path, "another run", learner), diffusion::ModelError);
  WriteFile(path, diffusion::SerializeSafeTensors({}, {{"run", "run"}, {"step", "soon"}}));
  EXPECT_THROW(RestoreState(path, "run", learner), diffusion::ModelError);
  WriteFile(path, diffusion::SerializeSafeTensors({}, {{"run", "run"}, {"step", "7"}}));
  EXPECT_THROW(RestoreState(path, "run", learner), diffusion::ModelError);
  WriteFile(path, "not a state");
  EXPECT_THROW(RestoreState(path, "run", learner), diffusion::ModelError);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace mind::training
