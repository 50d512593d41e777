// Parts of models that give way by themselves, and come back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_flux.h"
#include "tests/support/tiny_kandinsky.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/engine/engine.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;

class ModelPartsTest : public testing::Test {
 protected:
  static std::string Tokenizer() {
    return (mind::support::ModelFolder::Golden() / "models" / "sd1" / "tokenizer").string();
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  void AddFlux(const std::string& name) { TinyFlux::Write(Path(name), Tokenizer(), {}); }

  // Makes its weights others, in one number of each file.
  void Alter(const std::string& component) {
    for (const auto& entry : fs::directory_iterator(Path(component))) {
      if (entry.path().extension() != ".safetensors") continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(-4, std::ios::end);
      const int low = file.get();
      file.seekp(-4, std::ios::end);
      file.put(static_cast<char>(low ^ 0x11));
    }
  }
  int64_t SizeOf(const std::string& component) const {
    int64_t size = 0;
    for (const auto& entry : fs::directory_iterator(Path(component)))
      size += static_cast<int64_t>(entry.file_size());
    return size;
  }

  // Bytes of what of a model stays, and of its largest part that need not.
  struct Bytes {
    int64_t all = 0, core = 0, part = 0;
  };
  Bytes BytesOf(const std::string& name) const {
    const ModelDirectory directory(Path(name));
    Bytes bytes{.all = directory.WeightBytes(Precision::kFloat32)};
    bytes.core = bytes.all;
    for (const auto& [component, contents] : directory.DroppableParts(Precision::kFloat32)) {
      int64_t sum = 0;
      for (const auto& [content, size] : contents) sum += size;
      bytes.core -= sum;
      bytes.part = std::max(bytes.part, sum);
    }
    return bytes;
  }

  ModelCache::Options RoomFor(int64_t bytes) {
    ModelCache::Options options;
    options.memory_budget = bytes;
    options.events.part_loaded = [this](const std::string& model, const std::string& part, double, int64_t) {
      const std::lock_guard lock(mutex_);
      ++loads_[model + "/" + part];
    };
    options.events.part_dropped = [this](const std::string& model, const std::string& part, int64_t) {
      const std::lock_guard lock(mutex_);
      dropped_.push_back(model + "/" + part);
    };
    options.events.unloaded = [this](const std::string& model, int64_t) {
      const std::lock_guard lock(mutex_);
      dropped_.push_back(model);
    };
    return options;
  }

  static TrajectoryRequest RequestOf(const std::string& model, const std::string& prompt) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = prompt;
    request.picture.guidance = 3.5;
    request.width = 16;
    request.height = 24;
    request.sampler = "euler";
    request.steps = 3;
    request.seed = 7;
    return request;
  }
  static at::Tensor Made(ModelSource& models, const TrajectoryRequest& request) {
    return PictureMadeAlone(models, {.row_threads = 4}, request);
  }

  mind::support::ModelFolder folder_;
  std::mutex mutex_;
  std::map<std::string, int> loads_;
  std::vector<std::string> dropped_;
};

TEST_F(ModelPartsTest, LargeTextEncodersAreParts) {
  AddFlux("flux");
  const ModelDirectory directory(Path("flux"));
  const auto parts = directory.DroppableParts(Precision::kFloat32);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts.begin()->first, "text_encoder_2");
  EXPECT_FALSE(parts.begin()->second.empty());
  EXPECT_TRUE(directory.PartContents("text_encoder", Precision::kFloat32).empty());  // which LoRAs reach
  const Bytes bytes = BytesOf("flux");
  EXPECT_GT(bytes.part, 0);
  EXPECT_GT(bytes.core, 0);
}

// Two models, each with an encoder of its own, where there is room for what stays of both and one encoder.
TEST_F(ModelPartsTest, TwoModelsTakeTurnsWithTheirEncodersAndStay) {
  AddFlux("a");
  AddFlux("b");
  Alter("b/text_encoder_2");
  Alter("b/transformer");
  Alter("b/vae");
  Alter("b/text_encoder");
  ModelCache whole(folder_.path(), {});
  const Bytes bytes = BytesOf("a");
  ModelCache models(folder_.path(), RoomFor(2 * bytes.core + bytes.part));
  ASSERT_EQ(models.models().size(), 2U);
  const std::vector<std::pair<std::string, std::string>> asked = {
      {"a", "a cat"}, {"b", "a cat"}, {"a", "a dog"}, {"b", "a dog"}, {"a", "a cat"}};
  for (const auto& [model, prompt] : asked)
    EXPECT_TRUE(at::equal(Made(models, RequestOf(model, prompt)), Made(whole, RequestOf(model, prompt))))
        << prompt;
  EXPECT_THAT(models.LoadedNames(), ElementsAre("a", "b"));
  EXPECT_THAT(dropped_, ElementsAre("a/text_encoder_2", "b/text_encoder_2", "a/text_encoder_2"));
  EXPECT_EQ(loads_["a/text_encoder_2"], 2);  // what was encoded before is kept
  EXPECT_EQ(loads_["b/text_encoder_2"], 2);
}

// Beyond the budget as a whole, and within it one part at a time.
TEST_F(ModelPartsTest, AModelNeedsRoomForWhatStaysAndItsLargestPart) {
  AddFlux("a");
  const Bytes bytes = BytesOf("a");
  ModelCache models(folder_.path(), RoomFor(bytes.core + bytes.part));
  EXPECT_TRUE(models.rejected().empty());
  EXPECT_GT(Made(models, RequestOf("a", "a cat")).numel(), 0);
  ModelCache small(folder_.path(), RoomFor(bytes.core + bytes.part - 1));
  EXPECT_EQ(small.rejected().size(), 1U);
}

// Many pictures at a time that all want what there is room for once.
TEST_F(ModelPartsTest, WhoeverFindsNoRoomWaits) {
  for (const char* const name : {"a", "b"}) AddFlux(name);
  for (const char* const part : {"b/text_encoder_2", "b/transformer", "b/vae", "b/text_encoder"}) Alter(part);
  ModelCache whole(folder_.path(), {});
  const Bytes bytes = BytesOf("a");
  ModelCache models(folder_.path(), RoomFor(2 * bytes.core + bytes.part));
  Engine engine(models, {.row_threads = 4, .side_threads = 4});
  std::vector<std::pair<TrajectoryRequest, std::shared_ptr<Recorder>>> pictures;
  for (int i = 0; i < 12; ++i) {
    const TrajectoryRequest request = RequestOf(i % 2 == 0 ? "a" : "b", "a cat " + std::to_string(i));
    pictures.emplace_back(request, std::make_shared<Recorder>());
    engine.Submit(request, pictures.back().second);
  }
  for (const auto& [request, events] : pictures) {
    ASSERT_EQ(events->Wait(), Ending::kPicture) << events->Error();
    EXPECT_TRUE(at::equal(events->picture, Made(whole, request)));
  }
}

// The same encoder in two models is in memory once, and stays there as long as one of them uses it.
TEST_F(ModelPartsTest, ASharedEncoderIsHeldOnceAndStaysWhileItIsUsed) {
  AddFlux("a");
  AddFlux("b");
  Alter("b/transformer");
  ModelCache models(folder_.path(), RoomFor(1 << 30));
  const auto a = models.Get("a");
  const int64_t one = models.weight_bytes();
  const auto b = models.Get("b");
  EXPECT_LE(models.weight_bytes(), one + SizeOf("b/transformer"));
  EXPECT_LT(models.weight_bytes(), 2 * one);
  models.UnloadIdle();  // both of its holders, with the models in use
  EXPECT_THAT(dropped_, ElementsAre("a/text_encoder_2", "b/text_encoder_2"));
  Made(models, RequestOf("b", "a cat"));
  EXPECT_EQ(loads_["a/text_encoder_2"], 1);
  EXPECT_EQ(loads_["b/text_encoder_2"], 2);
  const int64_t with = models.weight_bytes();
  Made(models, RequestOf("a", "a cat"));
  EXPECT_EQ(loads_["a/text_encoder_2"], 2);
  EXPECT_EQ(models.weight_bytes(), with);
}

TEST_F(ModelPartsTest, AnEncoderThatWasReplacedMeanwhileIsNotTaken) {
  AddFlux("a");
  const Bytes bytes = BytesOf("a");
  ModelCache models(folder_.path(), RoomFor(bytes.all));
  const auto held = models.Get("a");
  models.UnloadIdle();
  Alter("a/text_encoder_2");
  const auto made = MadeAlone(models, {.row_threads = 2}, RequestOf("a", "a cat"));
  EXPECT_THAT(made->Error(),
              testing::HasSubstr("text_encoder_2: its files have changed since they were looked at"));
}

// What makes Kandinsky's picture of nothing is needed while the model is loaded, and no longer.
TEST_F(ModelPartsTest, KandinskysImageEncoderIsGoneAfterwards) {
  TinyKandinsky::Write(Path("k"), Tokenizer());
  const Bytes bytes = BytesOf("k");
  EXPECT_EQ(bytes.part, bytes.all - bytes.core);
  EXPECT_GT(bytes.part, 0);
  TinyKandinsky::Write(Path("l"), Tokenizer());
  for (const char* const part :
       {"l/unet", "l/movq", "l/prior/prior", "l/prior/text_encoder", "l/prior/image_encoder"})
    Alter(part);
  // Room for what stays of both, and one encoder at a time.
  ModelCache models(folder_.path(), RoomFor(2 * bytes.core + bytes.part));
  const auto k = models.Get("k"), l = models.Get("l");
  EXPECT_THAT(models.LoadedNames(), ElementsAre("k", "l"));
  EXPECT_EQ(loads_["k/prior/image_encoder"], 1);
  EXPECT_EQ(loads_["l/prior/image_encoder"], 1);
  EXPECT_TRUE(dropped_.empty());
}

}  // namespace
}  // namespace mind::diffusion
