// Weights from the files people have: shards, variants, whole models in one file, other programs' names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/file_hash.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/mindspore.h"
#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class WeightsTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  static std::string File(const std::string& tensor, double value) {
    return SerializeSafeTensors({{tensor, at::full({2}, value, at::kFloat)}});
  }
  std::string ErrorOfReading(const std::string& variant = "") const {
    try {
      ReadComponent(folder_.string(), variant);
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }
  double First(const std::string& tensor, const std::string& variant = "") const {
    return ReadComponent(folder_.string(), variant).tensors.at(tensor)[0].item<double>();
  }

  support::TemporaryFolder folder_;
};

TEST_F(WeightsTest, ThePlainFileGoesBeforeVariants) {
  Write("model.fp16.safetensors", File("a", 2));
  EXPECT_EQ(First("a"), 2);  // the only one
  Write("model.safetensors", File("a", 1));
  EXPECT_EQ(First("a"), 1);
  EXPECT_EQ(First("a", "fp16"), 2);
  EXPECT_THAT(ErrorOfReading("ema"), HasSubstr("no weights of the variant \"ema\"; there are: model"));
}

TEST_F(WeightsTest, AmongSeveralVariantsAloneOneMustBeNamed) {
  Write("model.fp16.safetensors", File("a", 1));
  Write("model.bf16.safetensors", File("a", 2));
  EXPECT_THAT(ErrorOfReading(), HasSubstr("several variants of weights"));
  EXPECT_EQ(First("a", "bf16"), 2);
}

TEST_F(WeightsTest, ShardsAreGatheredByTheirIndex) {
  Write("model-00001-of-00002.safetensors", File("a", 1));
  Write("model-00002-of-00002.safetensors", File("b", 2));
  Write("model.safetensors.index.json",
        R"({"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors",
                                           "b": "model-00002-of-00002.safetensors"}})");
  EXPECT_EQ(First("a"), 1);
  EXPECT_EQ(First("b"), 2);
  Write("model.safetensors.index.json", R"({"weight_map": {"c": "model-00001-of-00002.safetensors"}})");
  EXPECT_THAT(ErrorOfReading(), HasSubstr("\"c\" should be in model-00001-of-00002.safetensors, but is not"));
  Write("model.safetensors.index.json", R"({"weight_map": {"c": "../secret.safetensors"}})");
  EXPECT_THAT(ErrorOfReading(), HasSubstr("names of files beside the index"));
}

TEST_F(WeightsTest, APickleIsNeverOpened) {
  Write("model.ckpt", std::string("PK\x03\x04 and so on, a zip of pickles"));
  try {
    ReadWeights((folder_ / "model.ckpt").string());
    FAIL();
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), HasSubstr("a PyTorch pickle. Pickles can run any code and are never opened here"));
  }
}

// The length of a header comes first, and 0x80 bytes begin as a pickle does.
TEST_F(WeightsTest, AHeaderMayBeAsLongAsAPicklesFirstByteIsLarge) {
  std::string name = "vectors";
  std::string bytes;
  while (bytes.size() < 8 || bytes[0] != '\x80') {
    name += "s";
    bytes = SerializeSafeTensors({{name, at::ones({2, 3})}}, {});
    ASSERT_LT(name.size(), 512U);
  }
  Write("model.safetensors", bytes);
  EXPECT_TRUE(ReadWeights((folder_ / "model.safetensors").string()).Has(name));
}

TEST_F(WeightsTest, NothingThereIsSaid) {
  EXPECT_THAT(ErrorOfReading(), HasSubstr("no weights; looked for diffusion_pytorch_model.safetensors"));
}

// The model's small files beside one file of all weights.
TEST_F(WeightsTest, AWholeModelInOneFileLoads) {
  const fs::path golden = fs::path(MIND_TEST_DATA) / "golden";
  const fs::path model = folder_ / "one-file";
  fs::copy(golden / "models" / "sd2", model, fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(model)) {
    if (entry.path().extension() == ".safetensors") fs::remove(entry.path());
  }
  fs::copy(golden / "formats" / "single_file" / "sd2.safetensors", model);
  EXPECT_EQ(LoadPipeline(model.string(), {})->info().name, "one-file");
  fs::copy(model / "sd2.safetensors", model / "another.safetensors");
  EXPECT_THROW(LoadPipeline(model.string(), {}), ModelError);
}

// As Stable Diffusion 1.5 lies on the hub: whole models twice in the root, pickles, other variants, and a
// component that is not used.
TEST_F(WeightsTest, ADownloadLoadsAsItLies) {
  const fs::path golden = fs::path(MIND_TEST_DATA) / "golden";
  const fs::path model = folder_ / "stable-diffusion-v1-5";
  fs::copy(golden / "models" / "sd1", model, fs::copy_options::recursive);
  const int64_t bytes = ModelDirectory(model.string()).WeightBytes(Precision::kFloat32);
  const auto write = [&](const std::string& name, const std::string& bytes_of_it) {
    Write("stable-diffusion-v1-5/" + name, bytes_of_it);
  };
  const std::string pickle = std::string("PK\x03\x04 and so on");
  for (const char* name : {"v1-5-pruned.safetensors", "v1-5-pruned-emaonly.safetensors"})
    fs::copy(golden / "formats" / "single_file" / "sd2.safetensors", model / name);
  for (const char* name : {"v1-5-pruned.ckpt", "v1-5-pruned-emaonly.ckpt", "unet/diffusion_pytorch_model.bin",
                           "unet/diffusion_pytorch_model.non_ema.bin", "vae/diffusion_pytorch_model.fp16.bin",
                           "text_encoder/pytorch_model.bin", "safety_checker/pytorch_model.bin"})
    write(name, pickle);
  for (const char* name :
       {"unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors",
        "text_encoder/model.fp16.safetensors", "safety_checker/model.safetensors",
        "safety_checker/model.fp16.safetensors"})
    write(name, File("not.to.be.read", 1));
  write("safety_checker/config.json", R"({"_class_name": "StableDiffusionSafetyChecker"})");
  write("feature_extractor/preprocessor_config.json", "{}");
  write("v1-inference.yaml", "model:");
  EXPECT_EQ(LoadPipeline(model.string(), {})->info().name, "stable-diffusion-v1-5");
  EXPECT_EQ(ModelDirectory(model.string()).WeightBytes(Precision::kFloat32), bytes);
  for (const std::string& file : ModelDirectory(model.string()).WeightFiles()) {
    EXPECT_THAT(file, testing::AnyOf(testing::EndsWith("/diffusion_pytorch_model.safetensors"),
                                     testing::EndsWith("/text_encoder/model.safetensors")));
  }
}

// Downloaded with --variant fp16: nothing plain is there.
TEST_F(WeightsTest, ADownloadOfOneVariantLoadsAsItLies) {
  const fs::path golden = fs::path(MIND_TEST_DATA) / "golden";
  const fs::path model = folder_ / "fp16";
  fs::copy(golden / "models" / "sd1", model, fs::copy_options::recursive);
  const int64_t bytes = ModelDirectory(model.string()).WeightBytes(Precision::kFloat32);
  for (const char* part :
       {"unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"}) {
    const std::string plain = (model / part).string() + ".safetensors";
    std::map<std::string, at::Tensor> halves;
    const SafeTensors stored = SafeTensors::Open(plain);
    for (const auto& [name, tensor] : stored.tensors())
      halves[name] = tensor.is_floating_point() ? tensor.to(at::kHalf) : tensor;
    Write("fp16/" + std::string(part) + ".fp16.safetensors", SerializeSafeTensors(halves));
    fs::remove(plain);
  }
  for (const char* name : {"one.fp16.safetensors", "two.fp16.safetensors"})
    fs::copy(golden / "formats" / "single_file" / "sd2.safetensors", model / name);
  EXPECT_EQ(LoadPipeline(model.string(), {})->info().name, "fp16");
  EXPECT_EQ(ModelDirectory(model.string()).WeightBytes(Precision::kFloat32), bytes);
}

TEST_F(WeightsTest, TheRevisionTellsCopiesOfAModelApart) {
  const fs::path golden = fs::path(MIND_TEST_DATA) / "golden" / "models";
  const auto copy = [&](const std::string& name) {
    fs::copy(golden / "sd1", folder_ / name, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / name))
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    return (folder_ / name).string();
  };
  const auto revision = [](const std::string& path) {
    return ModelDirectory(path).Revision(Precision::kFloat32);
  };
  const std::string one = copy("one"), other = copy("other");
  EXPECT_EQ(revision(one), revision(other));
  EXPECT_EQ(revision(one).size(), 16U);
  EXPECT_NE(revision(one), ModelDirectory(one).Revision(Precision::kFloat16));
  EXPECT_EQ(LoadPipeline(one, {})->info().revision, revision(one));
  {
    std::fstream file(other + "/vae/diffusion_pytorch_model.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('x');
  }
  EXPECT_NE(revision(one), revision(other));
  const std::string third = copy("third");
  Write("third/scheduler/scheduler_config.json", R"({"_class_name": "DDIMScheduler"})");
  EXPECT_NE(revision(one), revision(third));
  // What is not used makes no other pictures.
  Write("one/loras/new.safetensors", File("a", 1));
  Write("one/safety_checker/model.safetensors", File("a", 1));
  EXPECT_EQ(revision(one), revision(copy("fourth")));
}

// Weights trained on differ everywhere; a sample of a large file is enough.
TEST_F(WeightsTest, ALargeFileIsSampled) {
  const at::Tensor weights = at::zeros({5 << 20});
  Write("a.safetensors", SerializeSafeTensors({{"a", weights}}));
  Write("b.safetensors", SerializeSafeTensors({{"a", weights + 1}}));
  Write("c.safetensors", SerializeSafeTensors({{"b", weights}}));
  const auto hash = [&](const char* name) { return HashOfFile((folder_ / name).string(), 1); };
  EXPECT_EQ(hash("a.safetensors"), hash("a.safetensors"));
  EXPECT_NE(hash("a.safetensors"), hash("b.safetensors"));
  EXPECT_NE(hash("a.safetensors"), hash("c.safetensors"));
  EXPECT_THROW(hash("d.safetensors"), ModelError);
}

TEST_F(WeightsTest, ATinyAutoencoderBesideTheModelMakesItsPreviews) {
  const fs::path golden = fs::path(MIND_TEST_DATA) / "golden" / "models";
  const fs::path model = folder_ / "with-taesd";
  fs::copy(golden / "sd1", model, fs::copy_options::recursive);
  const at::Tensor x0 = at::ones({4, 8, 8});
  EXPECT_EQ(LoadPipeline(model.string(), {})->Preview(x0).sizes(), (at::IntArrayRef{3, 8, 8}));
  fs::copy(golden / "taesd-tiny", model / "taesd", fs::copy_options::recursive);
  EXPECT_EQ(LoadPipeline(model.string(), {})->Preview(x0).sizes(), (at::IntArrayRef{3, 64, 64}));
}

TEST_F(WeightsTest, ASnapshotOfTheHubCacheIsAModel) {
  const fs::path cached = folder_ / "models--google--ddpm-cifar";
  fs::create_directories(cached / "refs");
  fs::create_directories(cached / "snapshots");
  fs::copy(fs::path(MIND_TEST_DATA) / "golden" / "models" / "ddpm-cifar", cached / "snapshots" / "abc123",
           fs::copy_options::recursive);
  EXPECT_FALSE(ModelDirectory::LooksLikeOne(cached.string()));
  Write("models--google--ddpm-cifar/refs/main", "abc123");
  ASSERT_TRUE(ModelDirectory::LooksLikeOne(cached.string()));
  EXPECT_EQ(DescribeModel(cached.string()).name, "ddpm-cifar");
}

TEST_F(WeightsTest, MangledMindSporeCheckpointsAreRefusedOrRead) {
  const fs::path file =
      fs::path(MIND_TEST_DATA) / "golden" / "formats" / "mindspore" / "malformed" / "valid_plain.ckpt";
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  ASSERT_GT(bytes.size(), 1000U);
  uint64_t state = 1;
  const auto random = [&state](size_t bound) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<size_t>(state >> 33) % bound;
  };
  // What is still read after all must be tensors as whole as the file claims: their bytes are all looked at.
  const NamedTensors whole = ParseMindSpore(bytes, "whole");
  ASSERT_FALSE(whole.tensors.empty());
  int refused = 0, read = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string mangled = bytes.substr(0, i % 3 == 0 ? random(bytes.size()) : bytes.size());
    for (int k = 0; k < 4 && !mangled.empty(); ++k)
      mangled[random(mangled.size())] = static_cast<char>(random(256));
    try {
      const NamedTensors tensors = ParseMindSpore(mangled, "mangled");
      ++read;
      size_t total = 0;
      for (const auto& [name, tensor] : tensors.tensors) {
        total += tensor.nbytes();
        EXPECT_EQ(tensor.clone().numel(), tensor.numel()) << name;
      }
      EXPECT_LE(total, mangled.size());
    } catch (const ModelError& e) {
      ++refused;
      EXPECT_THAT(e.what(), HasSubstr("mangled"));
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(read, 100);  // where values were hit and not what describes them
}

}  // namespace
}  // namespace mind::diffusion
