// Pictures in another precision than float32: the engine promises of them what it does of any.
#include <gmock/gmock.h>

#include "tests/unit/diffusion/engine_rig.h"
#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {
namespace {

using ::testing::HasSubstr;

class PrecisionEngineTest : public EngineRig {
 protected:
  static std::unique_ptr<ModelCache> ModelsIn(Precision precision) {
    return std::make_unique<ModelCache>(std::string(MIND_TEST_DATA) + "/golden/models",
                                        ModelCache::Options{.parameters = {.precision = precision}});
  }

  // What becomes of requests that are submitted at once, where so many rows are computed at the same time.
  std::vector<std::shared_ptr<Recorder>> Together(const std::vector<TrajectoryRequest>& requests,
                                                  int threads) {
    Engine::Options options = Options();
    options.row_threads = threads;
    Engine engine(*in_bf16_, options);
    std::vector<std::shared_ptr<Recorder>> all;
    for (const TrajectoryRequest& request : requests) {
      all.push_back(std::make_shared<Recorder>());
      engine.Submit(request, all.back());
    }
    for (const auto& events : all) EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
    return all;
  }

  const std::unique_ptr<ModelCache> in_bf16_ = ModelsIn(Precision::kBFloat16);
};

TEST_F(PrecisionEngineTest, APictureHasTheSameBytesAloneAndInCompanyOnAnyNumberOfThreads) {
  std::vector<TrajectoryRequest> requests;
  for (const char* const model : {"sd1", "sd2", "sd1", "dit"}) {
    TrajectoryRequest request = Request("euler_a", 4 + static_cast<int64_t>(requests.size()));
    request.model = model;
    request.seed = requests.size();
    if (request.model == "dit") {
      request.picture.prompt = "";
      request.picture.label = 1;
      request.width = request.height = 0;
    }
    requests.push_back(request);
  }
  for (const ModelInfo& info : in_bf16_->models()) {
    if (info.name != "dit") continue;
    requests.back().width = info.default_width;
    requests.back().height = info.default_height;
  }
  std::vector<at::Tensor> alone;
  for (const TrajectoryRequest& request : requests) alone.push_back(Together({request}, 1).front()->picture);
  for (const int threads : {1, 2, 4}) {
    const auto together = Together(requests, threads);
    for (size_t i = 0; i < requests.size(); ++i)
      EXPECT_TRUE(at::equal(together[i]->picture, alone[i])) << i << " on " << threads;
  }
}

// As near as eight bits allow, but not the same: the precision does reach the networks.
TEST_F(PrecisionEngineTest, APictureIsNearTheOneInFloat32) {
  const at::Tensor here = Together({Request()}, 2).front()->picture.to(at::kFloat);
  Engine engine(*models_, Options());
  const auto events = std::make_shared<Recorder>();
  engine.Submit(Request(), events);
  ASSERT_EQ(events->Wait(), Ending::kPicture);
  const at::Tensor difference = (here - events->picture.to(at::kFloat)).abs();
  EXPECT_GT(difference.max().item<float>(), 0);
  EXPECT_LT(difference.mean().item<float>(), 4);  // of 255
}

TEST_F(PrecisionEngineTest, APictureGoesOnInItsPrecisionOnly) {
  TrajectoryRequest request = Request();
  const auto whole = Together({request}, 2).front();
  ASSERT_FALSE(whole->checkpoints.empty());
  request.checkpoint = whole->checkpoints.begin()->second;
  const auto resumed = Together({request}, 2).front();
  EXPECT_GT(resumed->started_at, 0);
  EXPECT_TRUE(at::equal(resumed->picture, whole->picture));

  Engine elsewhere(*models_, Options());
  EXPECT_THAT(ErrorOf(elsewhere, request), HasSubstr("another revision of the model \"sd1\""));
}

TEST_F(PrecisionEngineTest, TheRevisionAndTheDescriptionTellPrecisionsApart) {
  std::map<std::string, std::string> precisions;  // by revision of sd1
  for (const Precision precision :
       {Precision::kFloat32, Precision::kTf32, Precision::kBFloat16, Precision::kFloat16}) {
    for (const ModelInfo& info : ModelsIn(precision)->models()) {
      if (info.name != "sd1") continue;
      EXPECT_EQ(info.precision, NameOf(precision));
      precisions[info.revision] = info.precision;
    }
  }
  EXPECT_EQ(precisions.size(), 4U);
  EXPECT_EQ(
      in_bf16_->Get("sd1")->info().revision,
      ModelDirectory(std::string(MIND_TEST_DATA) + "/golden/models/sd1").Revision(Precision::kBFloat16));
}

}  // namespace
}  // namespace mind::diffusion
