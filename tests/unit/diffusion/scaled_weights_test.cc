#include "worker/diffusion/weights/scaled_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/float8.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

at::Tensor TextTensor(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  return bytes;
}

std::string ScalesError(std::map<std::string, at::Tensor> tensors) {
  try {
    WithScales({"file", std::move(tensors)});
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(ScaledWeights, EveryValueOfFloat8IsRead) {
  const SafeTensors file = SafeTensors::Open(std::string(MIND_TEST_DATA) + "/gguf/float8.safetensors");
  for (const std::string name : {"F8_E4M3", "F8_E5M2"}) {
    const at::Tensor read = file.Get(name), expected = file.Get(name + ".expected");
    EXPECT_EQ(read.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(at::allclose(read.to(at::kFloat), expected, 0, 0, /*equal_nan=*/true)) << name;
  }
  EXPECT_EQ(FromFloat8(0x7e, Float8::kE4M3), 448);
  EXPECT_TRUE(std::isinf(FromFloat8(0x7c, Float8::kE5M2)));
}

TEST(ScaledWeights, AreWholeAgainAndTheirScalesGone) {
  const at::Tensor weight = at::arange(6, at::kFloat).reshape({2, 3}).to(at::kBFloat16);
  const NamedTensors read = WithScales({"file",
                                        {{"a.weight", weight},
                                         {"a.scale_weight", at::scalar_tensor(0.5, at::kFloat)},
                                         {"a.scale_input", at::scalar_tensor(3, at::kFloat)},
                                         {"b.weight", weight},
                                         {"b.weight_scale", at::tensor({2.0F, 10.0F})},
                                         {"b.comfy_quant", TextTensor(R"({"format": "float8_e4m3fn"})")},
                                         {"c.weight", weight},
                                         {"scaled_fp8", at::empty({0}, at::kByte)},
                                         {"d.scaled_fp8", at::empty({0}, at::kByte)}}});
  EXPECT_EQ(read.tensors.size(), 3U);
  EXPECT_TRUE(at::equal(read.tensors.at("a.weight"), weight.to(at::kFloat) * 0.5));
  EXPECT_TRUE(at::equal(read.tensors.at("b.weight"),
                        weight.to(at::kFloat) * at::tensor({2.0F, 10.0F}).reshape({2, 1})));
  EXPECT_TRUE(read.tensors.at("c.weight").is_same(weight));
}

void WriteTensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors) {
  std::ofstream(path, std::ios::binary) << SerializeSafeTensors(tensors);
}

TEST(ScaledWeights, AScaleMayLieInAnotherShardThanItsWeight) {
  const support::TemporaryFolder folder;
  const at::Tensor weight = at::arange(6, at::kFloat).reshape({2, 3}).to(at::kBFloat16);
  WriteTensors(folder / "model-1-of-2.safetensors", {{"a.weight", weight}, {"b.scale_weight", at::ones({})}});
  WriteTensors(folder / "model-2-of-2.safetensors",
               {{"a.scale_weight", at::scalar_tensor(0.5, at::kFloat)}, {"b.weight", weight}});
  std::ofstream(folder / "model.safetensors.index.json") << R"({"weight_map": {
    "a.weight": "model-1-of-2.safetensors", "b.scale_weight": "model-1-of-2.safetensors",
    "a.scale_weight": "model-2-of-2.safetensors", "b.weight": "model-2-of-2.safetensors"}})";
  const NamedTensors read = ReadComponent(folder.string());
  EXPECT_EQ(read.tensors.size(), 2U);
  EXPECT_TRUE(at::equal(read.tensors.at("a.weight"), weight.to(at::kFloat) * 0.5));
  EXPECT_TRUE(at::equal(read.tensors.at("b.weight"), weight.to(at::kFloat)));
}

// Of a file in any of the formats, what reading it would give, without a number.
TEST(ScaledWeights, ShapesAreKnownWithoutNumbers) {
  const std::string folder = std::string(MIND_TEST_DATA) + "/gguf/";
  for (const std::string file : {"float8.safetensors", "blocks.gguf"}) {
    const NamedTensors shapes = ReadShapes(folder + file), read = ReadWeights(folder + file);
    ASSERT_EQ(shapes.tensors.size(), read.tensors.size()) << file;
    for (const auto& [name, tensor] : read.tensors) {
      const at::Tensor& shape = shapes.tensors.at(name);
      EXPECT_TRUE(shape.is_meta()) << name;
      EXPECT_EQ(shape.sizes(), tensor.sizes()) << name;
      EXPECT_EQ(shape.scalar_type(), tensor.scalar_type()) << name;
    }
  }
  const support::TemporaryFolder own;
  WriteTensors(own / "own.safetensors", {{"a.weight", at::ones({2, 3})}, {"v_pred", at::empty({0})}});
  EXPECT_TRUE(ReadShapes((own / "own.safetensors").string()).Has("v_pred"));
}

TEST(ScaledWeights, WhatCannotBeIsNamed) {
  const at::Tensor weight = at::ones({2, 3}), scale = at::ones({});
  EXPECT_THAT(ScalesError({{"a.scale_weight", scale}}),
              HasSubstr("file: \"a.scale_weight\" scales \"a.weight\", which is not there"));
  EXPECT_THAT(ScalesError({{"a.weight", weight}, {"a.weight_scale", at::ones({3})}}),
              HasSubstr("\"a.weight_scale\" of shape [3] scales a weight of shape [2, 3]"));
  EXPECT_THAT(ScalesError({{"a.weight", weight.to(at::kChar)}, {"a.weight_scale", scale}}),
              HasSubstr("both floating point"));
  EXPECT_THAT(ScalesError({{"a.weight", weight.to(at::kChar)},
                           {"a.weight_scale", scale},
                           {"a.comfy_quant", TextTensor(R"({"format":"int8_tensorwise","convrot":true})")}}),
              HasSubstr("\"a.comfy_quant\" is of the format \"int8_tensorwise\"; supported: float8_e4m3fn"));
  EXPECT_THAT(ScalesError({{"a.weight", weight}, {"a.comfy_quant", TextTensor("{")}}),
              HasSubstr("the format \"unreadable\""));
}

}  // namespace
}  // namespace mind::diffusion
