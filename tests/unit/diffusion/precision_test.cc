#include "worker/diffusion/device/precision.h"

#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <torch/version.h>

#include <cmath>
#include <fstream>

#include "tests/support/model_folder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/attention.h"
#include "worker/diffusion/models/products.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Precision kAll[] = {Precision::kFloat32, Precision::kTf32, Precision::kBFloat16,
                              Precision::kFloat16};

std::string Golden(const std::string& model) {
  return std::string(MIND_TEST_DATA) + "/golden/models/" + model;
}

// Parameters of a layer, as a file has them.
FileParameters Stored(std::map<std::string, at::Tensor> tensors, Precision precision) {
  return FileParameters({.source = "a test's weights", .tensors = std::move(tensors)},
                        {.precision = precision});
}

TEST(Precision, HasNamesThatAreTaken) {
  for (const Precision precision : kAll) {
    EXPECT_EQ(PrecisionNamed(NameOf(precision)), precision);
    EXPECT_THAT(kPrecisionNames, HasSubstr(NameOf(precision)));
  }
  for (const char* name : {"", "float32", "BF16", "fp8"}) EXPECT_EQ(PrecisionNamed(name), std::nullopt);
}

TEST(Precision, ProductsOfFloat32AreRoundedOnlyWhereItSaysSo) {
  for (const Precision precision : kAll) {
    at::globalContext().setAllowTF32CuDNN(precision == Precision::kFloat32);
    ComputeIn(precision);
    const bool rounded = precision != Precision::kFloat32;
    EXPECT_EQ(at::globalContext().allowTF32CuDNN(), rounded) << NameOf(precision);
    EXPECT_EQ(at::globalContext().allowTF32CuBLAS(), rounded) << NameOf(precision);
  }
  ComputeIn(Precision::kFloat32);
}

TEST(Precision, ACpuComputesInWhatItHasProductsOf) {
  EXPECT_EQ(DefaultPrecision(at::kCPU), Precision::kFloat32);
  EXPECT_THAT(WhyNot(Precision::kFloat32, at::kCPU), IsEmpty());
  EXPECT_THAT(WhyNot(Precision::kBFloat16, at::kCPU), IsEmpty());
  EXPECT_THAT(WhyNot(Precision::kTf32, at::kCPU), HasSubstr("allowed on a CPU: fp32, bf16, fp16"));
#if TORCH_VERSION_MAJOR < 2
  EXPECT_THAT(WhyNot(Precision::kFloat16, at::kCPU), HasSubstr("LibTorch 1.13.0 has no products of float16"));
#else
  EXPECT_THAT(WhyNot(Precision::kFloat16, at::kCPU), IsEmpty());
#endif
}

TEST(Precision, AnAutoencoderThatMustBeUpcastIsFloat32) {
  for (const Precision precision : kAll) {
    EXPECT_EQ(AutoencoderPrecision(precision, false), precision);
    EXPECT_EQ(TypeOf(AutoencoderPrecision(precision, true)), at::kFloat);
  }
  EXPECT_EQ(AutoencoderPrecision(Precision::kTf32, true), Precision::kTf32);
}

TEST(Precision, ALayerTakesNumbersInTheTypeOfItsWeights) {
  SeededNoise noise(1);
  const at::Tensor x = noise.Draw({3, 8}), weight = noise.Draw({4, 8}), bias = noise.Draw({4});
  FileParameters stored = Stored({{"layer.weight", weight}, {"layer.bias", bias}}, Precision::kBFloat16);
  const Linear linear(Scope(stored) / "layer", 8, 4);
  const at::Tensor y = linear(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(y, linear(x.to(at::kBFloat16))));
  EXPECT_TRUE(at::allclose(y.to(at::kFloat), at::linear(x, weight, bias), 3e-2, 5e-2));
}

// Terms of one sign, of which a sum in bfloat16 would stop growing early. The map is
// large enough for bands.
TEST(Precision, ProductsSumInFloat32) {
  const c10::InferenceMode inference;
  SeededNoise noise(5);
  const auto positive = [&noise](at::IntArrayRef shape) { return noise.Draw(shape).abs().to(at::kBFloat16); };
  const auto whole = [](const at::Tensor& x) { return x.to(at::kFloat); };
  const double few = 1.0 / 64;
  const at::Tensor tokens = positive({3, 4096}), weight = positive({5, 4096}), bias = positive({5});
  const at::Tensor product = LinearProduct(tokens, weight, bias);
  EXPECT_EQ(product.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(whole(product), at::linear(whole(tokens), whole(weight), whole(bias)), few, 0));
  EXPECT_TRUE(
      at::allclose(whole(LinearProduct(tokens, weight)), at::linear(whole(tokens), whole(weight)), few, 0));
  const at::Tensor map = positive({1, 64, 192, 192}), kernel = positive({4, 64, 3, 3});
  FileParameters stored =
      Stored({{"conv.weight", kernel}, {"conv.bias", at::zeros({4}, at::kBFloat16)}}, Precision::kBFloat16);
  EXPECT_TRUE(at::allclose(whole(Conv2d(Scope(stored) / "conv", 64, 4)(map)),
                           at::conv2d(whole(map), whole(kernel), {}, 1, 1), few, 0));
  const at::Tensor alone = positive({64, 1, 4, 4});
  EXPECT_TRUE(at::allclose(whole(ConvProduct(map, alone, {}, 2, 1, 64)),
                           at::conv2d(whole(map), whole(alone), {}, 2, 1, 1, 64), few, 0));
}

// Far from nothing and close together: in a type of eight bits their mean would be off by more than they
// vary.
TEST(Precision, NormsSumInFloat32) {
  SeededNoise noise(2);
  const at::Tensor x = (noise.Draw({1, 8, 32, 32}) * 4 + 100).to(at::kBFloat16);
  const at::Tensor weight = noise.Draw({8}), bias = noise.Draw({8});
  const at::Tensor rounded_weight = weight.to(at::kBFloat16).to(at::kFloat),
                   rounded_bias = bias.to(at::kBFloat16).to(at::kFloat);
  FileParameters stored = Stored({{"weight", weight}, {"bias", bias}}, Precision::kBFloat16);
  const GroupNorm group(Scope(stored), 2, 8, 1e-5);
  EXPECT_TRUE(at::equal(
      group(x), at::group_norm(x.to(at::kFloat), 2, rounded_weight, rounded_bias, 1e-5).to(at::kBFloat16)));
  const LayerNorm layer(Scope(stored), 8);
  const at::Tensor tokens = x.flatten(2).transpose(1, 2);
  EXPECT_TRUE(at::equal(
      layer(tokens),
      at::layer_norm(tokens.to(at::kFloat), {8}, rounded_weight, rounded_bias, 1e-5).to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(LayerNormed(x, 1e-6),
                        at::layer_norm(x.to(at::kFloat), {32}, {}, {}, 1e-6).to(at::kBFloat16)));
}

// Logits that differ by less than eight bits tell apart.
TEST(Precision, AttentionsLogitsAndSoftmaxAreFloat32) {
  SeededNoise noise(3);
  const auto draw = [&noise] { return (noise.Draw({1, 40, 16}) * 6).to(at::kBFloat16); };
  const at::Tensor q = draw(), k = draw(), v = draw();
  const at::Tensor mixed = MultiHeadAttention(q, k, v, 2);
  EXPECT_EQ(mixed.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(
      mixed, MultiHeadAttention(q.to(at::kFloat), k.to(at::kFloat), v.to(at::kFloat), 2).to(at::kBFloat16)));
}

// Of a score model's noise levels, hundreds of turns of a sine.
TEST(Precision, FrequenciesOfFourierFeaturesAreNotRounded) {
  FileParameters stored =
      Stored({{"weight", at::full({1}, 1.00390625 + 1e-4, at::kFloat)}}, Precision::kBFloat16);
  const Scope scope(stored);
  EXPECT_EQ(scope.Take("weight", {1}).scalar_type(), at::kBFloat16);
  const at::Tensor exact = scope.TakeInFloat32("weight", {1});
  EXPECT_EQ(exact.scalar_type(), at::kFloat);
  EXPECT_EQ(exact.item<float>(), static_cast<float>(1.00390625 + 1e-4));
}

TEST(Precision, WhatIsToldAndAnsweredIsFloat32) {
  const c10::InferenceMode inference;
  for (const char* name : {"sd1", "dit", "ncsnpp", "glide"}) {
    SCOPED_TRACE(name);
    const auto pipeline = LoadPipeline(Golden(name), {.precision = Precision::kBFloat16});
    const ModelInfo& info = pipeline->info();
    PictureRequest request;
    if (info.takes_prompt) request.prompt = "a cat";
    if (info.class_count > 0) request.label = 0;
    const std::vector<int64_t> shape = pipeline->LatentShape(info.default_width, info.default_height);
    const Conditioning conditioning = pipeline->Condition(request, shape);
    if (info.takes_prompt) {
      EXPECT_EQ(conditioning.rows.back()[Condition::kText].scalar_type(), at::kFloat);
    }
    SeededNoise noise(4);
    const at::Tensor answer = EvaluateAlone(pipeline->denoiser(), conditioning, noise.Draw(shape), 1);
    EXPECT_EQ(answer.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::isfinite(answer).all().item<bool>());
    const at::Tensor picture = pipeline->Decode(noise.Draw(shape));
    EXPECT_EQ(picture.scalar_type(), at::kFloat);
    EXPECT_EQ(pipeline->Encode(picture, noise).scalar_type(), at::kFloat);
    EXPECT_EQ(pipeline->Preview(noise.Draw(shape)).scalar_type(), at::kFloat);
  }
}

TEST(Precision, AModelMaySayThatItNeedsFloat32) {
  support::ModelFolder folder;
  folder.Add("delicate", "sd1");
  const std::string path = folder.path() + "/delicate";
  const std::string before = ModelDirectory(path).Revision(Precision::kBFloat16);
  std::ofstream(path + "/mind.json") << R"({"precision": "fp32"})";
  const ModelDirectory directory(path);
  for (const Precision given : kAll) {
    EXPECT_EQ(directory.PrecisionFor(given), Precision::kFloat32);
    EXPECT_EQ(directory.Revision(given), directory.Revision(Precision::kFloat32));
    EXPECT_EQ(directory.WeightBytes(given), directory.WeightBytes(Precision::kFloat32));
  }
  EXPECT_NE(directory.Revision(Precision::kBFloat16), before);
  std::ofstream(path + "/mind.json") << R"({"precision": "int4"})";
  try {
    LoadPipeline(path, {});
    FAIL() << "it was loaded";
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), HasSubstr("precision"));
    EXPECT_THAT(e.what(), HasSubstr("fp32"));
  }
}

}  // namespace
}  // namespace mind::diffusion
