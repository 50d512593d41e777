// Files of few bits make the very pictures that the numbers they stand for make. GGUF's are mind-golden's.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_z_image.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/float8.h"
#include "worker/diffusion/weights/hadamard.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using KeptWeights = std::map<std::string, at::Tensor>;

constexpr int64_t kGroup = 4;  // inputs that are rotated together

class FewBits : public testing::Test {
 protected:
  static constexpr char kFile[] = "/transformer/diffusion_pytorch_model.safetensors";

  // The same model with these weights of its transformer.
  void Write(const std::string& model, const std::string& weights) const {
    TinyZImage::Write(folder_.path() + "/" + model);
    std::ofstream(folder_.path() + "/" + model + kFile, std::ios::binary) << weights;
  }
  KeptWeights Transformer() const {
    TinyZImage::Write(folder_.path() + "/plain");
    return ReadWeights(folder_.path() + "/plain" + kFile).tensors;
  }
  // Linear layers' weights, as tools for ComfyUI choose them.
  static bool IsLinear(const std::string& name, const at::Tensor& tensor) {
    return name.ends_with(".weight") && tensor.dim() == 2 && tensor.size(1) % kGroup == 0;
  }
  at::Tensor Picture(const std::string& model, Precision precision = Precision::kFloat32) const {
    ModelCache models(folder_.path(), {.parameters = {.precision = precision}});
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 4;
    request.width = request.height = 16;
    request.sampler = "euler";
    request.steps = 3;
    request.seed = 7;
    return PictureMadeAlone(models, {.row_threads = 2}, request);
  }

  const c10::InferenceMode inference_;
  mind::support::ModelFolder folder_;
};

at::Tensor Json(const nlohmann::json& json) {
  const std::string text = json.dump();
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  return bytes;
}

TEST_F(FewBits, WholeNumbersAreTheNumbersTheyStandFor) {
  for (const bool rotated : {false, true}) {
    KeptWeights kept, numbers;
    for (const auto& [name, tensor] : Transformer()) {
      if (!IsLinear(name, tensor)) {
        kept[name] = numbers[name] = tensor;
        continue;
      }
      const at::Tensor turned = rotated ? RotatedBack(tensor, kGroup) : tensor;  // its own inverse
      const at::Tensor scale = std::get<0>(turned.abs().max(1, /*keepdim=*/true)) / 127;
      const std::string layer = name.substr(0, name.rfind('.'));
      kept[name] = (turned / scale).round().to(at::kChar);
      kept[layer + ".weight_scale"] = scale;
      kept[layer + ".comfy_quant"] = Json({{"format", "int8_tensorwise"},
                                           {"convrot", rotated},
                                           {"convrot_groupsize", rotated ? kGroup : 256}});
      const at::Tensor stands_for = kept[name].to(at::kFloat) * scale;
      numbers[name] = rotated ? RotatedBack(stands_for, kGroup) : stands_for;
    }
    ASSERT_GT(kept.size(), numbers.size());
    Write("int8", SerializeSafeTensors(kept));
    Write("numbers", SerializeSafeTensors(numbers));
    EXPECT_TRUE(at::equal(Picture("int8"), Picture("numbers"))) << rotated;
    EXPECT_TRUE(at::equal(Picture("int8", Precision::kBFloat16), Picture("numbers", Precision::kBFloat16)));
    EXPECT_FALSE(at::equal(Picture("int8"), Picture("plain"))) << rotated;  // rounded
    // And it is known for what it takes in memory.
    const int64_t small = ModelDirectory(folder_.path() + "/int8").WeightBytes(Precision::kFloat32),
                  whole = ModelDirectory(folder_.path() + "/numbers").WeightBytes(Precision::kFloat32);
    EXPECT_GE(small, whole);
    EXPECT_LT(static_cast<double>(small), 1.2 * static_cast<double>(whole));
  }
}

// safetensors' header is written here, for LibTorch may have no such type.
TEST_F(FewBits, Float8IsTheNumbersItStandsFor) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  KeptWeights numbers;
  const auto add = [&](const std::string& name, const char* type, const at::Tensor& tensor) {
    const at::Tensor whole = tensor.contiguous();
    const size_t begin = data.size();
    data.append(static_cast<const char*>(whole.data_ptr()), whole.nbytes());
    header[name] = {{"dtype", type}, {"shape", whole.sizes().vec()}, {"data_offsets", {begin, data.size()}}};
  };
  const KeptWeights transformer = Transformer();
  for (const auto& [name, tensor] : transformer) {
    if (!IsLinear(name, tensor)) {
      add(name, "F32", tensor);
      numbers[name] = tensor;
      continue;
    }
    const at::Tensor bytes = (tensor.sign() * 20 + tensor * 50).round().clamp(-100, 100).to(at::kChar);
    const at::Tensor bits = bytes.view(at::kByte);
    const at::Tensor scale = at::full({}, 1.0 / 256, at::kFloat);
    add(name, "F8_E4M3", bits);
    add(name.substr(0, name.rfind('.')) + ".scale_weight", "F32", scale);
    at::Tensor value = at::empty(tensor.sizes(), at::kFloat);
    for (int64_t i = 0; i < value.numel(); ++i)
      value.data_ptr<float>()[i] = FromFloat8(bits.contiguous().data_ptr<uint8_t>()[i], Float8::kE4M3) / 256;
    numbers[name] = value;
  }
  std::string text = header.dump(), file;
  text.append((8 - text.size() % 8) % 8, ' ');
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(uint64_t{text.size()} >> (8 * i)));
  Write("fp8", file + text + data);
  Write("numbers", SerializeSafeTensors(numbers));
  const at::Tensor picture = Picture("fp8");
  EXPECT_TRUE(at::equal(picture, Picture("numbers")));
  EXPECT_FALSE(at::equal(picture, Picture("plain")));
}

// A damaged file is refused by name; no model of it is served.
TEST_F(FewBits, WhatIsCutOffOrMistypedIsRefused) {
  KeptWeights kept = Transformer();
  const std::string layer = "layers.0.attention.to_q";
  const at::Tensor weight = kept.at(layer + ".weight");
  kept[layer + ".weight"] = at::ones(weight.sizes(), at::kChar);
  kept[layer + ".weight_scale"] = at::ones({weight.size(0)});
  const auto refusal = [&](const std::string& file) -> std::string {
    Write("int8", file);
    try {
      LoadPipeline(folder_.path() + "/int8", {});
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(refusal(SerializeSafeTensors(kept)).find("\"" + layer + ".weight_scale\""), std::string::npos);
  kept[layer + ".comfy_quant"] = Json({{"format", "int8_tensorwise"}});
  const std::string whole = SerializeSafeTensors(kept);
  EXPECT_EQ(refusal(whole), "");
  EXPECT_NE(refusal(whole.substr(0, whole.size() - 5)).find("truncated?"), std::string::npos);
  kept.erase(layer + ".weight_scale");
  EXPECT_NE(refusal(SerializeSafeTensors(kept)).find("has no scale"), std::string::npos);
}

}  // namespace
}  // namespace mind::diffusion
