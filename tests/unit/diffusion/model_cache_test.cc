#include "worker/diffusion/engine/model_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"

namespace mind::diffusion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Five models of the same size, which have nothing in common.
class ModelCacheTest : public testing::Test {
 protected:
  ModelCacheTest() {
    for (const char* name : {"a", "b", "c", "d", "e"})
      folder_.AddAltered(name, "sd1", static_cast<uint8_t>(*name));
    bytes_ = ModelDirectory(folder_.path() + "/a").WeightBytes(Precision::kFloat32);
  }

  // A cache with room for so many of them.
  ModelCache::Options RoomFor(double models) {
    ModelCache::Options options;
    options.memory_budget = static_cast<int64_t>(models * static_cast<double>(bytes_));
    options.events.unloaded = [this](const std::string& name, int64_t) { unloaded_ += name; };
    return options;
  }

  static TrajectoryRequest RequestFor(const std::string& model, int64_t steps = 3) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.width = request.height = 64;
    request.sampler = "ddim";
    request.steps = steps;
    return request;
  }

  // Leaves of its autoencoder only the configuration.
  void Break(const std::string& name) {
    const std::string vae = folder_.path() + "/" + name + "/vae";
    std::filesystem::remove_all(vae);
    std::filesystem::create_directory(vae);
    std::filesystem::copy(mind::support::ModelFolder::Golden() / "models/sd1/vae/config.json",
                          vae + "/config.json");
  }

  mind::support::ModelFolder folder_;
  int64_t bytes_ = 0;
  std::string unloaded_;
};

TEST_F(ModelCacheTest, CountsWeightsInTheTypeComputedIn) {
  EXPECT_GT(bytes_, 100'000);
  const ModelDirectory pixels(std::string(MIND_TEST_DATA) + "/golden/models/ddpm-grey");
  EXPECT_EQ(2 * pixels.WeightBytes(Precision::kBFloat16), pixels.WeightBytes(Precision::kFloat32));
  // Autoencoders may be computed in float32 all the same.
  const int64_t bytes = ModelDirectory(folder_.path() + "/a").WeightBytes(Precision::kFloat16);
  EXPECT_GT(bytes, bytes_ / 2);
  EXPECT_LT(bytes, bytes_);
  // Of a variant and a plain file in one folder, one counts; of GLIDE all stages do.
  EXPECT_GT(
      ModelDirectory(std::string(MIND_TEST_DATA) + "/golden/models/glide").WeightBytes(Precision::kFloat32),
      100'000);
}

TEST_F(ModelCacheTest, TheOneUsedLongestAgoGivesWay) {
  ModelCache cache(folder_.path(), RoomFor(4.5));
  for (const char* name : {"a", "b", "c", "d", "a"}) cache.Get(name);
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "b", "c", "d"));
  cache.Get("e");
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "c", "d", "e"));
  EXPECT_EQ(unloaded_, "b");
}

TEST_F(ModelCacheTest, WhatIsInUseStays) {
  ModelCache cache(folder_.path(), RoomFor(2));
  const auto a = cache.Get("a");
  auto b = cache.Get("b");
  EXPECT_THROW(cache.Get("c"), NoRoomNow);
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "b"));
  int idle = 0;
  cache.NotifyIdle([&idle] { ++idle; });
  b.reset();
  EXPECT_EQ(idle, 1);
  cache.Get("c");
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "c"));
  cache.NotifyIdle(nullptr);
}

TEST_F(ModelCacheTest, AModelBeyondTheWholeBudgetIsNotServedAndTheOthersAre) {
  folder_.Add("large", "glide");
  ModelCache cache(folder_.path(), RoomFor(1));
  ASSERT_EQ(cache.rejected().size(), 1U);
  EXPECT_THAT(cache.rejected()[0].reason,
              HasSubstr("/large: its weights need 10 MiB, the memory budget is 3 MiB"));
  EXPECT_EQ(cache.models().size(), 5U);
  cache.Preload();
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a"));
}

TEST_F(ModelCacheTest, PreloadsWhatThereIsRoomFor) {
  ModelCache cache(folder_.path(), RoomFor(3));
  cache.Preload();
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(unloaded_, "");
}

TEST_F(ModelCacheTest, AFolderThatCannotBeReadIsNamed) {
  const std::string file = folder_.path() + "/file";
  std::ofstream(file) << "no folder";
  for (const std::string& path : {std::string("/nowhere"), file, "/" + std::string(5000, 'x')}) {
    try {
      ModelCache cache(path, {});
      ADD_FAILURE() << path;
    } catch (const ModelError& e) {
      EXPECT_THAT(e.what(), HasSubstr(path + ": not a directory that can be read: "));
    }
  }
}

TEST_F(ModelCacheTest, OneThatCannotBeLoadedDoesNotTakeTheOthersDown) {
  for (const char* name : {"a", "c"}) Break(name);
  ModelCache cache(folder_.path(), RoomFor(9));
  EXPECT_EQ(cache.models().size(), 5U);  // by their configurations nothing is wrong
  cache.Preload();
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("b", "d", "e"));
  std::vector<std::string> served;
  for (const ModelInfo& info : cache.models()) served.push_back(info.name);
  EXPECT_THAT(served, ElementsAre("b", "d", "e"));
  ASSERT_EQ(cache.rejected().size(), 2U);
  EXPECT_EQ(cache.rejected()[0].path, folder_.path() + "/a");
  EXPECT_THAT(cache.rejected()[0].reason, HasSubstr("a/vae: no weights; looked for"));
  EXPECT_EQ(cache.rejected()[1].path, folder_.path() + "/c");
  EXPECT_THROW(cache.Get("a"), RequestError);
}

// Four models keep being asked for; the fifth gets its turn all the same.
TEST_F(ModelCacheTest, TheFifthOfFourModelsIsNotStarved) {
  ModelCache cache(folder_.path(), RoomFor(4));
  Engine engine(cache, {});
  std::vector<std::shared_ptr<Recorder>> before, after;
  const auto submit = [&](const std::string& model) {
    auto events = std::make_shared<Recorder>();
    engine.Submit(RequestFor(model, 20), events);
    return events;
  };
  for (const char* model : {"a", "b", "c", "d"}) before.push_back(submit(model));
  const auto fifth = submit("e");
  for (int i = 0; i < 5; ++i) {
    for (const char* model : {"a", "b", "c", "d"}) after.push_back(submit(model));
  }
  ASSERT_EQ(fifth->Wait(), Ending::kPicture) << fifth->Error();
  for (const auto& events : before) EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
  for (const auto& events : after) EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
  EXPECT_THAT(unloaded_, testing::Not(testing::IsEmpty()));
}

// What waits for memory need not wait to be told that it may go.
TEST_F(ModelCacheTest, CancelledAndHandedBackWhileWaitingForRoom) {
  ModelCache cache(folder_.path(), RoomFor(1));
  const auto held = cache.Get("a");  // for the whole test: no room will come
  Engine engine(cache, {});
  auto cancelled = std::make_shared<Recorder>(), handed_back = std::make_shared<Recorder>();
  auto behind = std::make_shared<Recorder>();
  const uint64_t first = engine.Submit(RequestFor("b"), cancelled);
  const uint64_t second = engine.Submit(RequestFor("c"), handed_back);
  engine.Submit(RequestFor("a"), behind);
  engine.Cancel(first);
  EXPECT_EQ(cancelled->Wait(), Ending::kCancelled);
  engine.HandBack(second);
  EXPECT_EQ(handed_back->Wait(), Ending::kHandedBack);
  EXPECT_EQ(handed_back->handed_back, "");
  EXPECT_EQ(behind->Wait(), Ending::kPicture);
}

TEST_F(ModelCacheTest, AFailedLoadFreesTheRoomItHadReserved) {
  folder_.Add("broken", "sd1");
  Break("broken");
  ModelCache cache(folder_.path(), RoomFor(1));
  int idle = 0;
  cache.NotifyIdle([&idle] { ++idle; });
  EXPECT_THROW(cache.Get("broken"), ModelError);
  EXPECT_EQ(idle, 1);
  const auto a = cache.Get("a");
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a"));
  cache.NotifyIdle(nullptr);
}

TEST_F(ModelCacheTest, AnEngineThatEndsLetsTheWaitingGo) {
  ModelCache cache(folder_.path(), RoomFor(1));
  const auto held = cache.Get("a");
  auto waiting = std::make_shared<Recorder>();
  {
    Engine engine(cache, {});
    engine.Submit(RequestFor("b"), waiting);
  }
  EXPECT_EQ(waiting->Wait(), Ending::kCancelled);
}

TEST_F(ModelCacheTest, WhatModelsHaveInCommonIsHeldAndCountsOnce) {
  // A copy of all of a's files, and one that has a's in all but its UNet.
  folder_.AddAltered("a2", "sd1", 'a');
  folder_.AddAltered("a3", "sd1", 'a');
  const std::string unet = folder_.path() + "/a3/unet";
  std::filesystem::remove_all(unet);
  std::filesystem::copy(folder_.path() + "/b/unet", unet);
  int64_t of_unet = 0;
  const auto a = ModelDirectory(folder_.path() + "/a").WeightBytesByContent(Precision::kFloat32);
  for (const auto& [content, bytes] :
       ModelDirectory(folder_.path() + "/a3").WeightBytesByContent(Precision::kFloat32)) {
    if (a.count(content) == 0) of_unet += bytes;
  }
  EXPECT_GT(of_unet, bytes_ / 4);
  EXPECT_LT(of_unet, bytes_);

  ModelCache cache(folder_.path(), RoomFor(2));
  cache.Get("a");
  const int64_t once = cache.weight_bytes();
  EXPECT_GT(once, bytes_ / 2);  // small tensors are not looked at
  cache.Get("a2");
  EXPECT_EQ(cache.weight_bytes(), once);
  cache.Get("a3");
  // Of b's UNet all tensors but the last are a's.
  EXPECT_LT(cache.weight_bytes(), once + of_unet / 4);
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "a2", "a3"));
  // Nothing is free again before the last who holds it is gone.
  cache.Get("c");
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a3", "c"));
  EXPECT_EQ(unloaded_, "a2a");
  cache.UnloadIdle();
  EXPECT_EQ(cache.weight_bytes(), 0);
}

// The oldest is a copy of one that stays: nothing would be free without it.
TEST_F(ModelCacheTest, AModelThatWouldFreeNothingStays) {
  folder_.AddAltered("a2", "sd1", 'a');
  {
    ModelCache cache(folder_.path(), RoomFor(2));
    for (const char* name : {"a2", "b", "a", "c"}) cache.Get(name);
    EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "a2", "c"));
    EXPECT_EQ(unloaded_, "b");
  }
  unloaded_.clear();
  // The same where the copy is in use.
  ModelCache cache(folder_.path(), RoomFor(2));
  const auto held = cache.Get("a");
  for (const char* name : {"a2", "b", "c"}) cache.Get(name);
  EXPECT_THAT(cache.LoadedNames(), ElementsAre("a", "a2", "c"));
  EXPECT_EQ(unloaded_, "b");
}

TEST_F(ModelCacheTest, ModelsThatShareWeightsMakeTheirPicturesSideBySide) {
  folder_.AddAltered("a2", "sd1", 'a');
  ModelCache cache(folder_.path(), RoomFor(1));
  Engine engine(cache, {});
  std::vector<std::shared_ptr<Recorder>> made;
  for (const char* model : {"a", "a2", "a", "a2"}) {
    made.push_back(std::make_shared<Recorder>());
    engine.Submit(RequestFor(model), made.back());
  }
  for (const auto& events : made) ASSERT_EQ(events->Wait(), Ending::kPicture) << events->Error();
  for (const auto& events : made) EXPECT_TRUE(at::equal(events->picture, made.front()->picture));
  EXPECT_EQ(unloaded_, "");
}

}  // namespace
}  // namespace mind::diffusion
