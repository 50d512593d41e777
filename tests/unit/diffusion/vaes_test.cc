// Autoencoders that requests choose in place of a model's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/whole_file.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kWeights[] = "/vae/diffusion_pytorch_model.safetensors";

// Two models of the same weights, of which the second has another autoencoder for its own; and that one
// beside both, with one that fits neither.
class VaesTest : public testing::Test {
 protected:
  VaesTest() {
    folder_.Add("plain", "sd1");
    folder_.Add("other", "sd1");
    NamedTensors weights =
        ReadWeights(mind::support::ModelFolder::Golden() / ("models/sd1" + std::string(kWeights)));
    for (auto& [name, tensor] : weights.tensors) tensor = tensor * 0.9;
    fs::create_directory(folder_.path() + "/vae");
    for (const char* const path : {"/vae/soft.safetensors", "/other.vae.safetensors"})
      std::ofstream(folder_.path() + path, std::ios::binary) << SerializeSafeTensors(weights.tensors);
    fs::copy(mind::support::ModelFolder::Golden() / ("models/sd-x4-upscaler" + std::string(kWeights)),
             folder_.path() + "/vae/wide.safetensors");
    std::ofstream(folder_.path() + "/vae/damaged.safetensors") << "no header";
  }

  static TrajectoryRequest RequestOf(const std::string& model, const std::string& vae = "") {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 3;
    request.width = request.height = 64;
    request.sampler = "ddim";
    request.steps = 4;
    request.seed = 7;
    if (!vae.empty()) request.vae = {vae, "1234567890"};
    return request;
  }
  static Engine::Options Options() {
    return {.row_threads = 4,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string&) {
              return at::arange(48 * 80 * 3, at::kFloat).remainder(251).to(at::kByte).view({48, 80, 3});
            }};
  }

  mind::support::ModelFolder folder_;
};

TEST_F(VaesTest, ThoseThatFitAreOfferedAndOthersSayWhyNot) {
  const ModelInfo info = DescribeModel(folder_.path() + "/plain");
  ASSERT_EQ(info.vaes.size(), 3U);
  EXPECT_EQ(info.vaes[0].name, "damaged");
  EXPECT_THAT(info.vaes[0].unfit, HasSubstr("damaged.safetensors"));
  EXPECT_EQ(info.vaes[1].name, "soft");
  EXPECT_EQ(info.vaes[1].unfit, "");
  EXPECT_EQ(info.vaes[1].path, folder_.path() + "/vae/soft.safetensors");
  EXPECT_EQ(info.vaes[2].name, "wide");
  EXPECT_THAT(info.vaes[2].unfit, HasSubstr("the model's own has"));
  ModelCache models(folder_.path(), {});
  for (const auto& rejected : models.rejected()) ADD_FAILURE() << rejected.path << ": " << rejected.reason;
  EXPECT_EQ(models.models().size(), 2U);  // the folder is none
}

// As the model makes it whose own it is, from noise and from a picture.
TEST_F(VaesTest, TakesThePlaceOfTheModelsOwn) {
  ModelCache models(folder_.path(), {});
  for (const char* const source : {"", "stripes"}) {
    const auto made = [&](TrajectoryRequest request) {
      request.source = source;
      return PictureMadeAlone(models, Options(), request);
    };
    const at::Tensor own = made(RequestOf("plain")), chosen = made(RequestOf("plain", "soft"));
    EXPECT_FALSE(at::equal(own, chosen));
    EXPECT_TRUE(at::equal(chosen, made(RequestOf("other"))));
    EXPECT_TRUE(at::equal(own, made(RequestOf("plain"))));  // it concerns one request alone
  }
}

TEST_F(VaesTest, BatchesWithOthersAndGoesOnFromCheckpoints) {
  ModelCache models(folder_.path(), {});
  ExpectNeighboursDoNotMatter(models, Options(),
                              {RequestOf("plain"), RequestOf("plain", "soft"), RequestOf("plain")});
  TrajectoryRequest request = RequestOf("plain", "soft");
  ExpectGoesOnFromEachCheckpoint(models, Options(), request);
  // A checkpoint is of one autoencoder's file.
  const auto whole = MadeAlone(models, Options(), request);
  request.checkpoint = whole->checkpoints.at(2);
  request.vae.hash = "0000000000";
  EXPECT_THAT(MadeAlone(models, Options(), request)->Error(), HasSubstr("belongs to another request"));
  request.vae = {};
  EXPECT_THAT(MadeAlone(models, Options(), request)->Error(), HasSubstr("belongs to another request"));
}

TEST_F(VaesTest, WhatIsNotThereOrDoesNotFitIsNamed) {
  ModelCache models(folder_.path(), {});
  const auto error = [&](const char* vae) {
    return MadeAlone(models, Options(), RequestOf("plain", vae))->Error();
  };
  EXPECT_THAT(error("hard"), HasSubstr("there is no autoencoder named \"hard\" beside this model"));
  EXPECT_THAT(error("wide"), HasSubstr("the autoencoder \"wide\" does not fit this model: "));
  fs::remove(folder_.path() + "/vae/soft.safetensors");
  EXPECT_THAT(error("soft"), HasSubstr("there is no autoencoder named \"soft\" beside this model"));
}

// One in memory, whoever has asked for it, for as long as somebody may use it.
TEST_F(VaesTest, IsHeldOnce) {
  const mind::support::ModelFolder folder;
  const fs::path path = folder.path(),
                 tokenizer = mind::support::ModelFolder::Golden() / "models/sd1/tokenizer";
  const auto write = [&](const std::string& file, const WholeFile::Tensors& tensors) {
    std::ofstream(path / file, std::ios::binary) << SerializeSafeTensors(tensors);
  };
  const nlohmann::json words = nlohmann::json::parse(std::ifstream(tokenizer / "vocab.json"));
  int64_t largest = 0;
  for (const auto& [token, id] : words.items()) largest = std::max(largest, id.get<int64_t>());
  const WholeFile::Networks networks = WholeFile::Small(false, largest + 1);
  for (const uint64_t seed : {1, 2}) {
    const std::string name = seed == 1 ? "a" : "b";
    write(name + ".safetensors", WholeFile(networks, WholeFile::Numbers::kRandom, seed).AsPublished());
    fs::create_directories(path / name);
    fs::copy(tokenizer, path / name / "tokenizer", fs::copy_options::recursive);
  }
  fs::create_directory(path / "vae");
  write("vae/soft.safetensors",
        WholeFile::AutoencoderNamed(WholeFile(networks, WholeFile::Numbers::kRandom, 3).parts().at("vae")));
  ModelCache models(folder.path(), {});
  const auto a = models.Get("a"), b = models.Get("b");
  const int64_t before = models.weight_bytes();
  PictureMadeAlone(models, Options(), RequestOf("a", "soft"));
  const int64_t with = models.weight_bytes();
  EXPECT_GT(with, before);
  PictureMadeAlone(models, Options(), RequestOf("b", "soft"));
  EXPECT_EQ(models.weight_bytes(), with);
  models.UnloadIdle();  // the models are in use
  EXPECT_EQ(models.weight_bytes(), before);
}

// Where there is no room it is read for as long as it is used.
TEST_F(VaesTest, GivesWayWhileItsModelStays) {
  folder_.AddAltered("third", "sd1", 0x21);
  const int64_t model = ModelDirectory(folder_.path() + "/plain").WeightBytes(Precision::kFloat32);
  const int64_t vae = ModelDirectory::VaeContents(folder_.path() + "/vae/soft.safetensors").begin()->second;
  std::string dropped;
  ModelCache::Options options;
  options.memory_budget = 2 * model + vae;
  options.events.part_dropped = [&](const std::string& name, const std::string& part, int64_t) {
    dropped += name + ":" + part;
  };
  fs::remove_all(folder_.path() + "/other");
  fs::remove(folder_.path() + "/other.vae.safetensors");
  ModelCache models(folder_.path(), options);
  const at::Tensor chosen = PictureMadeAlone(models, Options(), RequestOf("plain", "soft"));
  const auto plain = models.Get("plain"), third = models.Get("third");
  EXPECT_EQ(dropped, "");  // there is room for both and one more
  models.UnloadIdle();
  EXPECT_EQ(dropped, "plain:vae/soft");
  EXPECT_TRUE(at::equal(PictureMadeAlone(models, Options(), RequestOf("plain", "soft")), chosen));
}

TEST_F(VaesTest, LooksAgainForThoseThatCome) {
  ModelCache models(folder_.path(), {});
  fs::copy(folder_.path() + "/vae/soft.safetensors", folder_.path() + "/vae/new.safetensors");
  EXPECT_TRUE(models.LookAgain(false).settling);
  EXPECT_THAT(models.LookAgain(false).renewed, testing::UnorderedElementsAre("other", "plain"));
  EXPECT_EQ(models.models()[1].vaes.size(), 4U);
}

}  // namespace
}  // namespace mind::diffusion
