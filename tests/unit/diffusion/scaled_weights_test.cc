#include "worker/diffusion/weights/scaled_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
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

// By its definition, number by number: the entry of a Kronecker power is the product of its digits' entries.
double RotationAt(int64_t row, int64_t column, int64_t side) {
  double entry = 1;
  for (; side > 1; side /= 4, row /= 4, column /= 4) entry *= row % 4 + column % 4 == 3 ? -0.5 : 0.5;
  return entry;
}

at::Tensor Rotated(const at::Tensor& weight, int64_t side) {
  at::Tensor rotation = at::empty({side, side}, at::kDouble);
  for (int64_t i = 0; i < side; ++i) {
    for (int64_t j = 0; j < side; ++j) rotation[i][j] = RotationAt(i, j, side);
  }
  return at::matmul(weight.to(at::kDouble).reshape({-1, side}), rotation).view(weight.sizes());
}

// As ComfyUI's tools make them: rotated, then rounded by the largest of each row.
TEST(ScaledWeights, WholeNumbersAreWholeAgainAndRotatedBack) {
  const at::Tensor weight = at::sin(at::arange(3 * 512, at::kDouble)).reshape({3, 512}) *
                            at::tensor({1.0, 20.0, 0.01}).view({3, 1});
  for (const int64_t side : {0, 4, 16, 256}) {
    const at::Tensor turned = side == 0 ? weight : Rotated(weight, side);
    const at::Tensor scale = std::get<0>(turned.abs().max(1, /*keepdim=*/true)) / 127;
    const at::Tensor rounded = (turned / scale).round().to(at::kChar);
    const at::Tensor kept = rounded.to(at::kDouble) * scale.to(at::kFloat).to(at::kDouble);
    const at::Tensor stands_for = side == 0 ? kept : Rotated(kept, side);
    nlohmann::json format = {{"format", "int8_tensorwise"}, {"convrot", side > 0}};
    if (side != 256) format["convrot_groupsize"] = side;  // that is the usual one
    for (const bool in_header : {false, true}) {
      NamedTensors stored{"file", {{"a.weight", rounded}, {"a.weight_scale", scale.to(at::kFloat)}}};
      if (in_header) {
        stored.metadata["_quantization_metadata"] = nlohmann::json{{"layers", {{"a", format}}}}.dump();
      } else {
        stored.tensors["a.comfy_quant"] = TextTensor(format.dump());
      }
      const NamedTensors read = WithScales(std::move(stored));
      ASSERT_EQ(read.tensors.size(), 1U);
      const at::Tensor ours = read.tensors.at("a.weight").to(at::kDouble);
      EXPECT_LT(((ours - stands_for).abs().max() / stands_for.abs().max()).item<double>(), 1e-6) << side;
      EXPECT_LT(((ours - weight).norm() / weight.norm()).item<double>(), 0.01) << side;  // by rounding
    }
  }
}

TEST(ScaledWeights, WholeNumbersThatCannotBeAreNamed) {
  const at::Tensor weight = at::ones({2, 24}, at::kChar), scale = at::ones({2, 1});
  const auto error = [&](const std::string& format, const at::Tensor& scaled, const at::Tensor& by) {
    std::map<std::string, at::Tensor> tensors = {{"a.weight", scaled}, {"a.comfy_quant", TextTensor(format)}};
    if (by.defined()) tensors["a.weight_scale"] = by;
    return ScalesError(std::move(tensors));
  };
  const std::string plain = R"({"format":"int8_tensorwise"})";
  EXPECT_EQ(error(plain, weight, scale), "");
  EXPECT_THAT(error(plain, weight, {}),
              HasSubstr("\"a.comfy_quant\" is int8, but \"a.weight\" has no scale"));
  EXPECT_THAT(error(plain, weight.to(at::kFloat), scale), HasSubstr("and the weight int8"));
  EXPECT_THAT(error(plain, weight, at::ones({3})), HasSubstr("one number or one a row"));
  const std::string rotated = R"({"format":"int8_tensorwise","convrot":true,"convrot_groupsize":)";
  EXPECT_THAT(error(rotated + "16}", weight, scale),
              HasSubstr("\"a.comfy_quant\" rotates groups of 16 inputs of a weight of shape [2, 24]"));
  EXPECT_THAT(error(rotated + "4}", weight.reshape({2, 6, 4}), scale), HasSubstr("of shape [2, 6, 4]"));
  for (const std::string side : {"8", "0", "-4", "16384", "1e3", "\"256\"", "18446744073709551615"}) {
    EXPECT_THAT(error(rotated + side + "}", weight, scale),
                HasSubstr("supported: true, of 4, 16, 64, 256, 1024 or 4096"))
        << side;
  }
  EXPECT_THAT(error(R"({"format":"int8_tensorwise","convrot":"yes"})", weight, scale),
              HasSubstr("rotates (convrot \"yes\")"));
  try {
    WithScales({"file", {{"a.weight", weight}}, {{"_quantization_metadata", "[]"}}});
    FAIL();
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), HasSubstr("its _quantization_metadata is no JSON object of \"layers\""));
  }
}

TEST(ScaledWeights, WhatCannotBeIsNamed) {
  const at::Tensor weight = at::ones({2, 3}), scale = at::ones({});
  EXPECT_THAT(ScalesError({{"a.scale_weight", scale}}),
              HasSubstr("file: \"a.scale_weight\" scales \"a.weight\", which is not there"));
  EXPECT_THAT(ScalesError({{"a.weight", weight}, {"a.weight_scale", at::ones({3})}}),
              HasSubstr("\"a.weight_scale\" of shape [3] scales a weight of shape [2, 3]"));
  EXPECT_THAT(ScalesError({{"a.weight", weight.to(at::kChar)}, {"a.weight_scale", scale}}),
              HasSubstr("the weight floating point, or int8 and said to be"));
  EXPECT_THAT(ScalesError({{"a.weight", weight}, {"a.weight_scale", scale.to(at::kChar)}}),
              HasSubstr("one number or one a row, floating point (found Char)"));
  EXPECT_THAT(ScalesError({{"a.weight", weight}, {"a.weight_scale", at::full({}, NAN)}}),
              HasSubstr("\"a.weight_scale\" holds what is no finite number"));
  EXPECT_THAT(
      ScalesError({{"a.weight", weight}, {"a.comfy_quant", TextTensor(R"({"format":"nvfp4"})")}}),
      HasSubstr("\"a.comfy_quant\" is of the format \"nvfp4\"; supported: float8_e4m3fn, float8_e5m2, "
                "int8_tensorwise"));
  EXPECT_THAT(ScalesError({{"a.weight", weight}, {"a.comfy_quant", TextTensor("{")}}),
              HasSubstr("the format \"unreadable\""));
}

}  // namespace
}  // namespace mind::diffusion
