// A cache of models whose folder changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ModelChangesTest : public testing::Test {
 protected:
  ModelChangesTest() {
    folder_.AddAltered("a", "sd1", 1);
    folder_.AddAltered("b", "sd1", 2);
  }

  fs::path Path(const std::string& name) const { return fs::path(folder_.path()) / name; }
  static fs::path Lora(const std::string& name) {
    return mind::support::ModelFolder::Golden() / "formats/lora" / (name + ".safetensors");
  }
  // By another model of the same kind.
  void Replace(const std::string& name, uint8_t number) {
    fs::remove_all(Path(name));
    folder_.AddAltered(name, "sd1", number);
  }

  // What is found once nothing changes any more.
  static ModelCache::Changes Look(ModelCache& cache, bool load = false) {
    EXPECT_TRUE(cache.LookAgain(load).settling);
    return cache.LookAgain(load);
  }
  static std::vector<std::string> NamesIn(const ModelCache& cache) {
    std::vector<std::string> names;
    for (const ModelInfo& info : cache.models()) names.push_back(info.name);
    return names;
  }
  static std::string RevisionOf(const ModelCache& cache, const std::string& name) {
    for (const ModelInfo& info : cache.models()) {
      if (info.name == name) return info.revision;
    }
    return "";
  }
  static TrajectoryRequest RequestFor(const std::string& model, const std::string& revision = "") {
    TrajectoryRequest request;
    request.model = model;
    request.revision = revision;
    request.picture.prompt = "a cat";
    request.width = request.height = 64;
    request.sampler = "ddim";
    request.steps = 3;
    return request;
  }

  mind::support::ModelFolder folder_;
};

TEST_F(ModelChangesTest, NothingChanges) {
  ModelCache cache(folder_.path(), {});
  const ModelCache::Changes changes = cache.LookAgain(false);
  EXPECT_FALSE(changes.any());
  EXPECT_FALSE(changes.settling);
}

TEST_F(ModelChangesTest, ModelsComeAndGo) {
  ModelCache cache(folder_.path(), {});
  folder_.AddAltered("c", "sd1", 3);
  fs::remove_all(Path("a"));
  const ModelCache::Changes changes = Look(cache, /*load=*/true);
  EXPECT_THAT(changes.added, ElementsAre("c"));
  EXPECT_THAT(changes.withdrawn, ElementsAre("a"));
  EXPECT_THAT(changes.replaced, IsEmpty());
  EXPECT_THAT(NamesIn(cache), ElementsAre("b", "c"));
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("c"));
  EXPECT_THROW(cache.Get("a"), NotServed);
}

TEST_F(ModelChangesTest, ARenamedModelIsTheSameUnderItsNewName) {
  ModelCache cache(folder_.path(), {});
  const std::string revision = RevisionOf(cache, "b");
  fs::rename(Path("b"), Path("0"));
  const ModelCache::Changes changes = Look(cache);
  EXPECT_THAT(changes.added, ElementsAre("0"));
  EXPECT_THAT(changes.withdrawn, ElementsAre("b"));
  EXPECT_EQ(RevisionOf(cache, "0"), revision);
}

TEST_F(ModelChangesTest, WhatIsBeingCopiedIsNotTaken) {
  ModelCache cache(folder_.path(), {});
  const fs::path weights = Path("a") / "unet/diffusion_pytorch_model.safetensors";
  std::ifstream in(weights, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string revision = RevisionOf(cache, "a");
  for (size_t size = 1; size < 5; ++size) {
    std::ofstream(weights, std::ios::binary) << bytes.substr(0, size * bytes.size() / 5);
    const ModelCache::Changes changes = cache.LookAgain(false);
    EXPECT_TRUE(changes.settling);
    EXPECT_FALSE(changes.any());
  }
  std::ofstream(weights, std::ios::binary) << bytes;
  EXPECT_TRUE(cache.LookAgain(false).settling);
  const ModelCache::Changes changes = cache.LookAgain(false);
  EXPECT_FALSE(changes.any()) << "it is what it was";
  EXPECT_EQ(RevisionOf(cache, "a"), revision);
}

TEST_F(ModelChangesTest, AHalfThatStaysOneIsRefusedAndServedWhenItIsWhole) {
  ModelCache cache(folder_.path(), {});
  const fs::path weights = Path("a") / "unet/diffusion_pytorch_model.safetensors";
  std::ifstream in(weights, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::ofstream(weights, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  ModelCache::Changes changes = Look(cache, /*load=*/true);
  EXPECT_THAT(changes.withdrawn, ElementsAre("a"));
  ASSERT_EQ(changes.rejected.size(), 1U);
  EXPECT_THAT(changes.rejected[0].reason, HasSubstr("truncated"));
  std::ofstream(weights, std::ios::binary) << bytes;
  changes = Look(cache, /*load=*/true);
  EXPECT_THAT(changes.added, ElementsAre("a"));
  EXPECT_THAT(cache.rejected(), IsEmpty());
}

TEST_F(ModelChangesTest, WhoHoldsAModelKeepsItAsItWas) {
  ModelCache cache(folder_.path(), {});
  auto held = cache.Get("a");
  const std::string before = held->info().revision;
  Replace("a", 9);
  EXPECT_THAT(Look(cache).replaced, ElementsAre("a"));
  EXPECT_NE(RevisionOf(cache, "a"), before);
  const auto now = cache.Get("a");
  EXPECT_NE(now, held);
  EXPECT_EQ(held->info().revision, before);
  EXPECT_EQ(now->info().revision, RevisionOf(cache, "a"));
  held.reset();
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a"));
}

TEST_F(ModelChangesTest, AReplacedModelTakesNoMemoryWhenNobodyHoldsIt) {
  ModelCache::Options options;
  options.memory_budget = ModelDirectory(Path("a").string()).WeightBytes(Precision::kFloat32) * 3 / 2;
  std::string unloaded;
  options.events.unloaded = [&unloaded](const std::string& name, int64_t) { unloaded += name; };
  ModelCache cache(folder_.path(), options);
  auto held = cache.Get("a");
  Replace("a", 9);
  Look(cache);
  EXPECT_THROW(cache.Get("b"), NoRoomNow);  // the old one is in use
  int idle = 0;
  cache.NotifyIdle([&idle] { ++idle; });
  held.reset();
  EXPECT_EQ(idle, 1);
  EXPECT_EQ(unloaded, "a");
  EXPECT_EQ(cache.weight_bytes(), 0);
  cache.Get("b");
  cache.NotifyIdle(nullptr);
}

TEST_F(ModelChangesTest, LorasComeWithoutTheModelBeingLoadedAnew) {
  ModelCache cache(folder_.path(), {});
  Engine engine(cache, {});
  const auto picture = [&](const std::string& lora) {
    TrajectoryRequest request = RequestFor("a", RevisionOf(cache, "a"));
    if (!lora.empty()) request.picture.loras = {{lora, 1.0}};
    auto events = std::make_shared<Recorder>();
    engine.Submit(std::move(request), events);
    EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
    return events->picture;
  };
  const at::Tensor plain = picture("");
  const auto before = cache.Get("a");
  fs::create_directory(Path("a") / "loras");
  fs::copy(Lora("kohya"), Path("a") / "loras/ink.safetensors");
  EXPECT_THAT(Look(cache, /*load=*/true).renewed, ElementsAre("a"));
  EXPECT_THAT(cache.models()[0].loras, ElementsAre("ink"));
  EXPECT_EQ(cache.Get("a"), before);
  const at::Tensor inked = picture("ink");
  EXPECT_FALSE(at::equal(inked, plain));
  // Another under its name, whose prompts are encoded anew too.
  fs::remove(Path("a") / "loras/ink.safetensors");
  fs::copy(Lora("peft"), Path("a") / "loras/ink.safetensors");
  fs::copy(Lora("peft"), Path("a") / "loras/peft.safetensors");
  EXPECT_TRUE(at::equal(picture("ink"), picture("peft")));
  fs::remove_all(Path("a") / "loras");
  EXPECT_THAT(Look(cache).renewed, ElementsAre("a"));
  EXPECT_THAT(cache.models()[0].loras, IsEmpty());
}

TEST_F(ModelChangesTest, LearntWordsMakeAnotherModelOfIt) {
  ModelCache cache(folder_.path(), {});
  const auto before = cache.Get("a");
  fs::create_directory(Path("a") / "embeddings");
  std::ofstream(Path("a") / "embeddings/word.safetensors", std::ios::binary)
      << SerializeSafeTensors({{"emb_params", at::zeros({1, 32})}});
  EXPECT_THAT(Look(cache).replaced, ElementsAre("a"));
  EXPECT_THAT(cache.models()[0].learnt_words, ElementsAre("word"));
  EXPECT_NE(cache.Get("a"), before);
}

TEST_F(ModelChangesTest, OtherFilesAreNoChange) {
  ModelCache cache(folder_.path(), {});
  std::ofstream(Path("a") / "README.md") << "words";
  EXPECT_FALSE(cache.LookAgain(false).settling);
}

TEST_F(ModelChangesTest, AFolderThatCannotBeReadChangesNothing) {
  ModelCache cache(folder_.path(), {});
  const fs::path away = folder_.path() + "-away";
  fs::rename(folder_.path(), away);
  EXPECT_THROW(cache.LookAgain(false), ModelError);
  EXPECT_THAT(NamesIn(cache), ElementsAre("a", "b"));
  fs::rename(away, folder_.path());
  EXPECT_FALSE(cache.LookAgain(false).any());
}

// What is asked for by its weights is made with those or handed back.
TEST_F(ModelChangesTest, PicturesMeantForOtherWeightsAreHandedBack) {
  ModelCache cache(folder_.path(), {});
  Engine engine(cache, {});
  const auto ending = [&](const TrajectoryRequest& request) {
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    return events->Wait();
  };
  const std::string before = RevisionOf(cache, "a");
  EXPECT_EQ(ending(RequestFor("a", before)), Ending::kPicture);
  Replace("a", 9);
  // Not looked at yet: the files are others than were offered.
  cache.UnloadIdle();
  EXPECT_EQ(ending(RequestFor("a", before)), Ending::kHandedBack);
  Look(cache);
  EXPECT_EQ(ending(RequestFor("a", before)), Ending::kHandedBack);
  EXPECT_EQ(ending(RequestFor("a", RevisionOf(cache, "a"))), Ending::kPicture);
  EXPECT_EQ(ending(RequestFor("a")), Ending::kPicture);
  fs::remove_all(Path("a"));
  Look(cache);
  EXPECT_EQ(ending(RequestFor("a", before)), Ending::kHandedBack);
  EXPECT_EQ(ending(RequestFor("a")), Ending::kFailed);
}

TEST_F(ModelChangesTest, ACascadeChangesWithItsStages) {
  folder_.AddCascade("both");
  ModelCache cache(folder_.path(), {});
  const std::string before = RevisionOf(cache, "both");
  std::ofstream(Path("both-upscaler") / "mind.json") << R"({"default_steps": 4})";
  const ModelCache::Changes changes = Look(cache);
  EXPECT_THAT(changes.replaced, ElementsAre("both", "both-upscaler"));
  EXPECT_NE(RevisionOf(cache, "both"), before);
}

}  // namespace
}  // namespace mind::diffusion
