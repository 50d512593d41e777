// Models that lie in one file, loaded: what may and what must be beside them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/support/whole_file.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/single_file.h"
#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr int64_t kGoldenVocabulary = 1714;  // of the golden models' tokenizer

class ModelFilesTest : public testing::Test {
 protected:
  using Tensors = WholeFile::Tensors;

  static WholeFile::Networks Small(bool xl, int64_t vocabulary = kGoldenVocabulary) {
    return WholeFile::Small(xl, vocabulary);
  }

  static void WriteFile(const fs::path& path, const Tensors& tensors) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        << SerializeSafeTensors(tensors, {{"modelspec.resolution", "64x64"}});
  }

  void CopyTokenizers(const std::string& name) {
    fs::create_directories(folder_ / name);
    for (const std::string tokenizer : {"tokenizer", "tokenizer_2"})
      fs::copy(fs::path(MIND_TEST_DATA) / "golden/models/sd1/tokenizer", folder_ / name / tokenizer,
               fs::copy_options::recursive);
  }

  // The same networks as diffusers would save them.
  void WriteDirectory(const std::string& name, const WholeFile::Networks& networks, const WholeFile& whole,
                      const json& index, const json& scheduler) {
    const auto write = [&](const std::string& part, const std::string& file, const json& what) {
      fs::create_directories(folder_ / name / part);
      std::ofstream(folder_ / name / part / file) << what;
    };
    write("", "model_index.json", index);
    write("scheduler", "scheduler_config.json", scheduler);
    for (const auto& [part, tensors] : whole.parts()) {
      write(part, "config.json",
            part == "unet"           ? networks.unet
            : part == "vae"          ? networks.vae
            : part == "text_encoder" ? networks.text
                                     : networks.text_2);
      std::ofstream(folder_ / name / part / "model.safetensors", std::ios::binary)
          << SerializeSafeTensors(tensors);
    }
    CopyTokenizers(name);
  }

  // Of a prompt's states, what the network makes of them, and a picture: all as numbers.
  static std::vector<at::Tensor> MadeBy(const std::string& path) {
    const c10::InferenceMode inference;
    const auto pipeline = LoadPipeline(path, {});
    PictureRequest request;
    request.prompt = "a castle (in snow:1.2)";
    request.guidance = 4;
    const std::vector<int64_t> shape = pipeline->LatentShape(64, 64);
    const Conditioning conditioning = pipeline->Condition(request, shape);
    std::vector<at::Tensor> made;
    const at::Tensor x = SeededNoise(5).Draw(shape).unsqueeze(0);
    for (const Told& row : conditioning.rows)
      made.push_back(pipeline->denoiser()({x, at::tensor({500.0f}), Told::Stack({&row})}));
    made.push_back(pipeline->Decode(x.squeeze(0)));
    return made;
  }

  static void ExpectSame(const std::vector<at::Tensor>& one, const std::vector<at::Tensor>& other) {
    ASSERT_EQ(one.size(), other.size());
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], other[i])) << i;
  }

  std::string LoadError(const std::string& name) {
    try {
      LoadPipeline((folder_ / name).string(), {});
      return "loaded";
    } catch (const ModelError& e) {
      return e.what();
    }
  }

  const support::TemporaryFolder folder_;
};

TEST_F(ModelFilesTest, MakesWhatTheSameModelMakesAsADirectory) {
  for (const bool xl : {false, true}) {
    const WholeFile::Networks networks = Small(xl);
    const WholeFile whole(networks, WholeFile::Numbers::kRandom);
    const std::string name = xl ? "xl" : "sd1";
    WriteFile(folder_ / (name + ".safetensors"), whole.AsPublished());
    // What small files of its own it has are in the folder of its name.
    CopyTokenizers(name);
    std::ofstream(folder_ / name / "mind.json") << R"({"default_steps": 7})";
    const std::string file = (folder_ / (name + ".safetensors")).string();
    const ModelInfo info = DescribeModel(file);
    EXPECT_EQ(info.name, name);
    EXPECT_EQ(info.default_steps, 7);
    EXPECT_EQ(info.default_width, 64);
    WriteDirectory(name + "-directory", networks, whole,
                   {{"_class_name", xl ? "StableDiffusionXLPipeline" : "StableDiffusionPipeline"}},
                   SingleFile::Read(file, "").configs.at("scheduler"));
    ExpectSame(MadeBy(file), MadeBy((folder_ / (name + "-directory")).string()));
  }
}

TEST_F(ModelFilesTest, NeedsNothingBesideItButItself) {
  const WholeFile whole(Small(false, ClipBpeTokenizer::kPublishedVocabulary), WholeFile::Numbers::kRandom);
  WriteFile(folder_ / "alone.safetensors", whole.AsPublished());
  EXPECT_EQ(LoadError("alone.safetensors"), "loaded");
  EXPECT_THAT(DescribeModel((folder_ / "alone.safetensors").string()).languages, testing::ElementsAre("en"));
  // A folder with it and nothing that says what it is.
  fs::create_directory(folder_ / "inside");
  fs::rename(folder_ / "alone.safetensors", folder_ / "inside" / "any.safetensors");
  EXPECT_EQ(LoadPipeline((folder_ / "inside").string(), {})->info().name, "inside");
}

TEST_F(ModelFilesTest, NamesATokenizerThatIsMissing) {
  WriteFile(folder_ / "small.safetensors",
            WholeFile(Small(false), WholeFile::Numbers::kRandom).AsPublished());
  EXPECT_THAT(
      LoadError("small.safetensors"),
      testing::AllOf(HasSubstr("its text_encoder knows 1714 tokens, CLIP's own vocabulary has 49408"),
                     HasSubstr("tokenizer_config.json) into " + (folder_ / "small/tokenizer").string())));
}

// As UNets come by themselves, quantised ones above all.
TEST_F(ModelFilesTest, AUNetAloneHasTheOtherPartsBesideIt) {
  const WholeFile::Networks networks = Small(false);
  const WholeFile whole(networks, WholeFile::Numbers::kRandom);
  WriteDirectory("model", networks, whole, {}, {});
  fs::remove(folder_ / "model/model_index.json");
  fs::remove_all(folder_ / "model/scheduler");
  fs::remove_all(folder_ / "model/unet");
  WriteFile(folder_ / "model/unet-only.safetensors", WholeFile::UNetNamed(whole.parts().at("unet")));
  EXPECT_EQ(LoadError("model"), "loaded");
  fs::remove_all(folder_ / "model/text_encoder");
  EXPECT_THAT(LoadError("model"),
              HasSubstr("model/unet-only.safetensors: no text_encoder of a known kind in it; it may lie "
                        "beside it, as diffusers has it: "));
}

TEST_F(ModelFilesTest, TwoOfOneNameAreNotServed) {
  WriteFile(folder_ / "twice.safetensors",
            WholeFile(Small(false), WholeFile::Numbers::kRandom).AsPublished());
  fs::copy(fs::path(MIND_TEST_DATA) / "golden/models/sd1", folder_ / "twice", fs::copy_options::recursive);
  EXPECT_THAT(LoadError("twice.safetensors"), HasSubstr("twice is a model of the same name"));
}

TEST_F(ModelFilesTest, ModelsAreFoundAsFilesAndFolders) {
  const Tensors file = WholeFile(Small(false), WholeFile::Numbers::kRandom).AsPublished();
  WriteFile(folder_ / "models/b.safetensors", file);
  WriteFile(folder_ / "models/b.vae.safetensors", {{"decoder.conv_in.weight", at::zeros({1})}});
  WriteFile(folder_ / "models/c/any.safetensors", file);
  WriteFile(folder_ / "models/loras/one.safetensors", {{"lora", at::zeros({1})}});
  std::ofstream(folder_ / "models/old.ckpt") << "PK\x03\x04 and so on";
  std::ofstream(folder_ / "models/notes.txt") << "none";
  fs::copy(fs::path(MIND_TEST_DATA) / "golden/models/sd1", folder_ / "models/a", fs::copy_options::recursive);
  std::vector<std::string> names;
  for (const std::string& path : ModelDirectory::ModelsIn((folder_ / "models").string()))
    names.push_back(fs::path(path).filename().string());
  EXPECT_THAT(names, testing::ElementsAre("a", "b.safetensors", "c", "old.ckpt"));
  EXPECT_EQ(ModelDirectory::ModelsIn((folder_ / "models/a").string()).size(), 1U);
  EXPECT_THAT(LoadError("models/old.ckpt"), HasSubstr("a PyTorch pickle"));
}

TEST_F(ModelFilesTest, AnAutoencoderBesideAModelStandsInForItsOwn) {
  const WholeFile::Networks networks = Small(false);
  const WholeFile whole(networks, WholeFile::Numbers::kRandom);
  WriteFile(folder_ / "file.safetensors", whole.AsPublished());
  CopyTokenizers("file");
  const std::string file = (folder_ / "file.safetensors").string();
  WriteDirectory("directory", networks, whole, {{"_class_name", "StableDiffusionPipeline"}},
                 SingleFile::Read(file, "").configs.at("scheduler"));
  const std::string directory = (folder_ / "directory").string();
  const auto decoded = [](const std::string& path) { return MadeBy(path).back(); };
  const auto revision = [](const std::string& path) {
    return ModelDirectory(path).Revision(Precision::kFloat32);
  };
  const at::Tensor own = decoded(file);
  const std::string of_file = revision(file), of_directory = revision(directory);
  EXPECT_TRUE(at::equal(decoded(directory), own));

  Tensors other = whole.parts().at("vae");
  other["decoder.conv_out.bias"] = other["decoder.conv_out.bias"] + 0.25;
  WriteDirectory("expected", networks, whole, {{"_class_name", "StableDiffusionPipeline"}},
                 SingleFile::Read(file, "").configs.at("scheduler"));
  WriteFile(folder_ / "expected/vae/model.safetensors", other);
  const at::Tensor expected = decoded((folder_ / "expected").string());
  EXPECT_FALSE(at::equal(expected, own));
  // Under diffusers' names, the original ones, and those with what training and whole files add.
  Tensors original = WholeFile::AutoencoderNamed(other), prefixed;
  for (const auto& [name, tensor] : original) prefixed["first_stage_model." + name] = tensor;
  original["loss.logvar"] = at::zeros({});
  original["model_ema.decay"] = at::zeros({});
  for (const Tensors& vae : {other, original, prefixed}) {
    WriteFile(folder_ / "file.vae.safetensors", vae);
    fs::copy(folder_ / "file.vae.safetensors", folder_ / "directory.vae.safetensors",
             fs::copy_options::overwrite_existing);
    EXPECT_TRUE(at::equal(decoded(file), expected));
    EXPECT_TRUE(at::equal(decoded(directory), expected));
    EXPECT_NE(revision(file), of_file);
    EXPECT_NE(revision(directory), of_directory);
  }
  fs::remove(folder_ / "file.vae.safetensors");
  EXPECT_EQ(revision(file), of_file);
}

TEST_F(ModelFilesTest, AModelWithoutAnAutoencoderNeedsOneBesideIt) {
  const WholeFile whole(Small(false, ClipBpeTokenizer::kPublishedVocabulary), WholeFile::Numbers::kRandom);
  Tensors file = whole.AsPublished();
  std::erase_if(file, [](const auto& entry) { return entry.first.starts_with("first_stage_model."); });
  WriteFile(folder_ / "model/any.safetensors", file);
  EXPECT_THAT(LoadError("model"), HasSubstr("model/any.safetensors: no vae of a known kind in it"));
  // In a folder, by the file's name.
  WriteFile(folder_ / "model/any.vae.safetensors", whole.parts().at("vae"));
  EXPECT_EQ(LoadError("model"), "loaded");
  WriteFile(folder_ / "model/any.vae.safetensors", {{"decoder.conv_in.weight", at::zeros({1})}});
  EXPECT_THAT(LoadError("model"), HasSubstr("any.vae.safetensors: no autoencoder with an encoder"));
}

TEST_F(ModelFilesTest, SaysOtherwiseWhatItPredicts) {
  WriteFile(folder_ / "sd1.safetensors",
            WholeFile(Small(false, ClipBpeTokenizer::kPublishedVocabulary), WholeFile::Numbers::kRandom)
                .AsPublished());
  const auto prediction = [this] {
    return ModelDirectory((folder_ / "sd1.safetensors").string()).ReadSamplerConfig().prediction;
  };
  EXPECT_EQ(prediction(), Prediction::kEpsilon);
  fs::create_directory(folder_ / "sd1");
  std::ofstream(folder_ / "sd1/mind.json") << R"({"prediction_type": "v_prediction"})";
  EXPECT_EQ(prediction(), Prediction::kVelocity);
  std::ofstream(folder_ / "sd1/mind.json") << R"({"prediction_type": "v"})";
  EXPECT_THROW(prediction(), UnsupportedError);
}

}  // namespace
}  // namespace mind::diffusion
