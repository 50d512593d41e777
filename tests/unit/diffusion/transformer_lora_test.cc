// LoRAs of transformers, in the spellings of the programs that make them: each has to make the same picture.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_flux2.h"
#include "tests/support/tiny_qwen_image.h"
#include "tests/support/tiny_sd3.h"
#include "tests/support/tiny_z_image.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/names/original_layers.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int64_t kRank = 2;
constexpr double kAlpha = 3;  // so that what stands for it in each spelling counts
constexpr char kPrefix[] = "transformer.";

struct LoraFamily {
  const char* name;
  void (*write)(const std::string& directory);
  bool original = true;  // whether its authors name its layers otherwise
};

void WriteSd3(const std::string& directory) {
  TinySd3::Write(directory, MIND_TEST_DATA "/golden/models/sd1/tokenizer");
}

const LoraFamily kLoraFamilies[] = {
    {"klein", [](const std::string& to) { TinyFlux2::Write(to); }},
    {"z", [](const std::string& to) { TinyZImage::Write(to); }},
    {"sd3", WriteSd3},
    {"qwen", [](const std::string& to) { TinyQwenImage::Write(to); }, /*original=*/false},
};

std::string FlatOf(std::string path) {
  std::replace(path.begin(), path.end(), '.', '_');
  return path;
}

class TransformerLora : public testing::TestWithParam<LoraFamily> {
 protected:
  using Tensors = std::map<std::string, at::Tensor>;

  void SetUp() override {
    const c10::InferenceMode inference;
    model_ = folder_.path() + "/model";
    GetParam().write(model_);
    fs::create_directory(model_ + "/loras");
    for (const auto& file : fs::directory_iterator(model_ + "/transformer")) {
      if (file.path().extension() != ".safetensors") continue;
      for (const auto& [name, tensor] : ReadWeights(file.path().string()).tensors) {
        if (tensor.dim() == 2 && name.ends_with(".weight"))
          layers_[kPrefix + name.substr(0, name.rfind('.'))] = tensor;
      }
    }
    ASSERT_GT(layers_.size(), 8U);
  }

  void WriteLora(const std::string& name, const Tensors& tensors) const {
    std::ofstream(model_ + "/loras/" + name + ".safetensors", std::ios::binary)
        << SerializeSafeTensors(tensors);
  }
  // By layer of ours, `kPrefix` before it.
  static void Add(const std::string& layer, const StoredUpdate& update, const std::string& down,
                  const std::string& up, Tensors& tensors) {
    tensors[layer + down] = update.down;
    tensors[layer + up] = update.up.contiguous();
    tensors[layer + ".alpha"] = at::full({}, kAlpha);
  }
  static StoredUpdate Drawn(int64_t in, int64_t out, int64_t number) {
    at::Generator generator = at::detail::createCPUGenerator(static_cast<uint64_t>(number));
    StoredUpdate update;
    update.down = at::randn({kRank, in}, generator, at::kFloat) * 0.2;
    update.up = at::randn({out, kRank}, generator, at::kFloat) * 0.2;
    return update;
  }

  at::Tensor PictureWith(const std::string& lora) {
    ModelCache models(folder_.path(), {});
    EXPECT_TRUE(models.rejected().empty()) << models.rejected()[0].reason;
    return PictureMadeAlone(models, {}, Request(models, lora));
  }
  static TrajectoryRequest Request(ModelSource& models, const std::string& lora, double scale = 1) {
    TrajectoryRequest request;
    request.model = "model";
    request.picture.prompt = "a cat";
    request.picture.guidance = 4;
    request.width = request.height = 32;
    request.sampler = models.Get("model")->info().default_sampler;
    request.steps = 2;
    request.seed = 7;
    if (!lora.empty()) request.picture.loras = {{lora, scale}};
    return request;
  }

  const mind::support::ModelFolder folder_;
  std::string model_;
  LayerWeights layers_;
};

TEST_P(TransformerLora, IsTheSameInEverySpellingOfItsLayers) {
  const c10::InferenceMode inference;
  std::map<std::string, Tensors> files;
  Tensors merged;
  int64_t number = 0;
  for (const auto& [layer, weight] : layers_) {
    const std::string path = layer.substr(std::string(kPrefix).size());
    const StoredUpdate update = Drawn(weight.size(1), weight.size(0), ++number);
    Add(layer, update, ".lora_A.weight", ".lora_B.weight", files["diffusers"]);
    Add("lora_unet_" + FlatOf(path), update, ".lora_down.weight", ".lora_up.weight", files["kohya"]);
    Add("lora_transformer_" + FlatOf(path), update, ".lora_down.weight", ".lora_up.weight", files["trainer"]);
    Add("diffusion_model." + path, update, ".lora_A.weight", ".lora_B.weight", files["comfy"]);
    Add("base_model.model." + path, update, ".lora_A.weight", ".lora_B.weight", files["peft"]);
    Add(path, update, ".lora_down.weight", ".lora_up.weight", files["bare"]);
    merged[path + ".diff"] = at::mm(update.up, update.down) * (kAlpha / kRank);
  }
  for (const auto& [name, tensors] : files) WriteLora(name, tensors);
  WriteLora("merged", merged);
  const at::Tensor expected = PictureWith("diffusers"), whole = PictureWith("merged");
  EXPECT_FALSE(at::equal(expected, PictureWith("")));
  EXPECT_LE((expected.to(at::kInt) - whole.to(at::kInt)).abs().max().item<int64_t>(), 2);
  for (const auto& [name, tensors] : files) EXPECT_TRUE(at::equal(PictureWith(name), expected)) << name;
}

// Queries, keys and values in one, say: of each of ours the rows that are its own.
TEST_P(TransformerLora, OfTheAuthorsLayersIsThatOfOurs) {
  const c10::InferenceMode inference;
  const std::map<std::string, LayerShares> originals = OriginalLayers(layers_, kPrefix);
  ASSERT_EQ(originals.empty(), !GetParam().original);
  if (originals.empty()) return;
  Tensors ours, kohya, comfy;
  std::set<std::string> covered;
  int64_t number = 0;
  for (const auto& [original, shares] : originals) {
    const at::Tensor fused = FusedWeight(shares, layers_);
    const StoredUpdate update = Drawn(fused.size(1), fused.size(0), ++number);
    Add("lora_unet_" + FlatOf(original), update, ".lora_down.weight", ".lora_up.weight", kohya);
    Add("diffusion_model." + original, update, ".lora_A.weight", ".lora_B.weight", comfy);
    for (const auto& [layer, own] : Parted(shares, update)) {
      Add(layer, own, ".lora_A.weight", ".lora_B.weight", ours);
      covered.insert(layer);
    }
  }
  for (const auto& [layer, weight] : layers_) EXPECT_EQ(covered.count(layer), 1U) << layer;
  WriteLora("ours", ours);
  WriteLora("kohya", kohya);
  WriteLora("comfy", comfy);
  const at::Tensor expected = PictureWith("ours");
  EXPECT_FALSE(at::equal(expected, PictureWith("")));
  EXPECT_TRUE(at::equal(PictureWith("kohya"), expected));
  EXPECT_TRUE(at::equal(PictureWith("comfy"), expected));
}

TEST_P(TransformerLora, ConcernsItsRequestAlone) {
  const c10::InferenceMode inference;
  Tensors some;
  const auto& [layer, weight] = *layers_.begin();
  Add(layer, Drawn(weight.size(1), weight.size(0), 1), ".lora_A.weight", ".lora_B.weight", some);
  WriteLora("some", some);
  WriteLora("foreign", {{"transformer.nothing.lora_A.weight", at::zeros({2, 2})}});
  ModelCache models(folder_.path(), {});
  EXPECT_THAT(models.Get("model")->info().loras, testing::ElementsAre("foreign", "some"));
  const Engine::Options options = {.row_threads = 8, .checkpoint_interval = std::chrono::milliseconds(0)};
  ExpectNeighboursDoNotMatter(models, options,
                              {Request(models, ""), Request(models, "some"), Request(models, "some", 0.5)});
  ExpectGoesOnFromEachCheckpoint(models, options, Request(models, "some"));
  EXPECT_THAT(MadeAlone(models, options, Request(models, "foreign"))->Error(),
              HasSubstr("\"transformer.nothing.lora_A.weight\" belongs to no layer of this model"));
}

INSTANTIATE_TEST_SUITE_P(All, TransformerLora, testing::ValuesIn(kLoraFamilies),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace mind::diffusion
