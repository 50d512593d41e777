#include "worker/diffusion/engine/engine.h"

#include <ATen/Parallel.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

enum class Ending { kPicture, kHandedBack, kCancelled, kFailed };

// Remembers what happened to one picture.
class Recorder : public TrajectoryEvents {
 public:
  void OnStarted(int64_t step) override { started_at = step; }
  void OnStep(int64_t step, int64_t) override {
    steps = step;
    if (on_step) on_step(step);
  }
  void OnPreview(int64_t step, at::Tensor picture) override {
    const std::lock_guard lock(mutex);
    previews.push_back(step);
    EXPECT_EQ(picture.dim(), 3);
  }
  void OnCheckpoint(int64_t step, std::string bytes) override {
    const std::lock_guard lock(mutex);
    checkpoints[step] = std::move(bytes);
  }
  void OnPicture(at::Tensor made) override {
    picture = made;
    ended.set_value(Ending::kPicture);
  }
  void OnHandedBack(int64_t, std::string bytes) override {
    handed_back = std::move(bytes);
    ended.set_value(Ending::kHandedBack);
  }
  void OnCancelled(int64_t step) override {
    steps = step;
    ended.set_value(Ending::kCancelled);
  }
  void OnFailed(std::exception_ptr e) override {
    error = e;
    ended.set_value(Ending::kFailed);
  }

  Ending Wait() { return future.get(); }
  std::string Error() const {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      return e.what();
    }
  }

  std::function<void(int64_t)> on_step;
  std::atomic<int64_t> started_at = -1, steps = 0;
  std::mutex mutex;
  std::vector<int64_t> previews;
  std::map<int64_t, std::string> checkpoints;
  at::Tensor picture;
  std::string handed_back;
  std::exception_ptr error;
  std::promise<Ending> ended;
  std::future<Ending> future = ended.get_future();
};

class BatchSizes : public EngineMeter {
 public:
  void OnBatch(const Batch& batch) override {
    const std::lock_guard lock(mutex_);
    largest_ = std::max(largest_, batch.trajectories);
  }
  size_t largest() {
    const std::lock_guard lock(mutex_);
    return largest_;
  }

 private:
  std::mutex mutex_;
  size_t largest_ = 0;
};

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    if (models_ != nullptr) return;  // called for each suite that derives from this
    models_ = new ModelCache(std::string(MIND_TEST_DATA) + "/golden/models", {});
  }

  static Engine::Options Options() {
    Engine::Options options;
    options.row_threads = 2;
    options.checkpoint_interval = std::chrono::milliseconds(0);  // after every step
    return options;
  }

  static TrajectoryRequest Request(const std::string& sampler = "ddim", int64_t steps = 6,
                                   double guidance = 5) {
    TrajectoryRequest request;
    request.model = "sd1";
    request.picture.prompt = "a photo of a cat";
    request.picture.guidance = guidance;
    request.width = request.height = 64;
    request.sampler = sampler;
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  static at::Tensor Alone(const TrajectoryRequest& request) {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    EXPECT_EQ(events->Wait(), Ending::kPicture);
    return events->picture;
  }

  static ModelCache* models_;
};

ModelCache* EngineTest::models_ = nullptr;

TEST_F(EngineTest, APictureDoesNotDependOnItsNeighbours) {
  const std::vector<std::string> samplers = {
      "ddim", "pndm", "euler", "euler_a", "heun", "dpmpp_2m_karras", "ddpm", "heun_karras"};
  std::vector<TrajectoryRequest> requests;
  for (size_t i = 0; i < samplers.size(); ++i) {
    TrajectoryRequest request =
        Request(samplers[i], 7 + 3 * static_cast<int64_t>(i), 1 + static_cast<double>(i) * 1.5);
    request.seed = i;
    if (i % 2 == 1) request.width = 96;
    requests.push_back(request);
  }
  BatchSizes sizes;
  std::vector<std::shared_ptr<Recorder>> together;
  {
    Engine engine(*models_, Options(), &sizes);
    for (const TrajectoryRequest& request : requests) {
      together.push_back(std::make_shared<Recorder>());
      engine.Submit(request, together.back());
    }
    for (const auto& events : together) EXPECT_EQ(events->Wait(), Ending::kPicture);
  }
  EXPECT_GT(sizes.largest(), 1U);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_TRUE(at::equal(together[i]->picture, Alone(requests[i]))) << samplers[i];
    const std::lock_guard lock(together[i]->mutex);
    ASSERT_FALSE(together[i]->previews.empty()) << samplers[i];
    EXPECT_LE(together[i]->previews.front(), 2) << samplers[i];
  }
}

class EngineSamplerTest : public EngineTest, public testing::WithParamInterface<std::string> {};

TEST_P(EngineSamplerTest, GoesOnFromEveryCheckpointToTheSamePicture) {
  TrajectoryRequest request = Request(GetParam());
  if (GetParam() == "ddim") request.sampler_parameters["eta"] = 0.7;
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  std::map<int64_t, std::string> checkpoints;
  {
    const std::lock_guard lock(whole->mutex);
    checkpoints = whole->checkpoints;
  }
  ASSERT_GE(checkpoints.size(), 4U);
  for (const auto& [step, bytes] : checkpoints) {
    TrajectoryRequest rest = request;
    rest.checkpoint = bytes;
    auto events = std::make_shared<Recorder>();
    engine.Submit(rest, events);
    ASSERT_EQ(events->Wait(), Ending::kPicture);
    EXPECT_EQ(events->started_at, step);
    EXPECT_TRUE(at::equal(events->picture, whole->picture)) << "from step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EngineSamplerTest,
                         testing::Values("ddpm", "ddim", "pndm", "euler", "euler_karras", "euler_a", "heun",
                                         "heun_karras", "dpmpp_2m", "dpmpp_2m_karras"),
                         [](const auto& info) { return info.param; });

TEST_F(EngineTest, AHandedBackPictureGoesOnElsewhere) {
  const TrajectoryRequest request = Request("heun", 8);
  std::string bytes;
  {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    uint64_t id = 0;
    std::promise<void> submitted;
    std::shared_future<void> ready = submitted.get_future().share();
    events->on_step = [&](int64_t step) {
      ready.wait();
      if (step == 3) engine.HandBack(id);
    };
    id = engine.Submit(request, events);
    submitted.set_value();
    ASSERT_EQ(events->Wait(), Ending::kHandedBack);
    bytes = events->handed_back;
  }
  ASSERT_FALSE(bytes.empty());
  TrajectoryRequest rest = request;
  rest.checkpoint = bytes;
  EXPECT_TRUE(at::equal(Alone(rest), Alone(request)));
}

TEST_F(EngineTest, ACancelledPictureStopsWithinAStep) {
  Engine engine(*models_, Options());
  auto events = std::make_shared<Recorder>();
  uint64_t id = 0;
  std::promise<void> submitted;
  std::shared_future<void> ready = submitted.get_future().share();
  events->on_step = [&](int64_t step) {
    ready.wait();
    if (step == 3) engine.Cancel(id);
  };
  id = engine.Submit(Request("ddim", 500), events);
  submitted.set_value();
  EXPECT_EQ(events->Wait(), Ending::kCancelled);
  EXPECT_LE(events->steps, 4);
}

TEST_F(EngineTest, DestructionCancelsWhatIsLeft) {
  auto events = std::make_shared<Recorder>();
  {
    Engine engine(*models_, Options());
    engine.Submit(Request("ddim", 1000), events);
  }
  EXPECT_EQ(events->Wait(), Ending::kCancelled);
}

TEST_F(EngineTest, ABadRequestFailsAloneAndSaysWhy) {
  Engine engine(*models_, Options());
  const auto error_of = [&](TrajectoryRequest request) {
    auto events = std::make_shared<Recorder>();
    engine.Submit(std::move(request), events);
    EXPECT_EQ(events->Wait(), Ending::kFailed);
    return events->Error();
  };
  TrajectoryRequest request = Request();
  request.model = "absent";
  EXPECT_THAT(error_of(request), HasSubstr("no model named \"absent\""));
  EXPECT_THAT(error_of(Request("magic")), testing::AllOf(HasSubstr("magic"), HasSubstr("dpmpp_2m")));
  EXPECT_THAT(error_of(Request("ddim", 0)), HasSubstr("steps must be 1 to 1000"));
  request = Request();
  request.width = 65;
  EXPECT_THAT(error_of(request), HasSubstr("multiples of 8"));
  request = Request();
  request.checkpoint = "rubbish";
  EXPECT_THAT(error_of(request), HasSubstr("checkpoint"));
}

TEST_F(EngineTest, ACheckpointOfAnotherRequestIsRefused) {
  Engine engine(*models_, Options());
  auto first = std::make_shared<Recorder>();
  engine.Submit(Request(), first);
  ASSERT_EQ(first->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  TrajectoryRequest other = Request();
  other.seed = 8;
  {
    const std::lock_guard lock(first->mutex);
    ASSERT_FALSE(first->checkpoints.empty());
    other.checkpoint = first->checkpoints.begin()->second;
  }
  auto events = std::make_shared<Recorder>();
  engine.Submit(other, events);
  ASSERT_EQ(events->Wait(), Ending::kFailed);
  EXPECT_THAT(events->Error(), HasSubstr("belongs to another request"));
}

TEST_F(EngineTest, ServesModelsWithoutAPrompt) {
  TrajectoryRequest request;
  request.model = "ddpm-cifar";
  request.width = request.height = 16;
  request.sampler = "ddpm";
  request.steps = 10;
  EXPECT_EQ(Alone(request).sizes(), at::IntArrayRef({16, 16, 3}));
}

}  // namespace
}  // namespace mind::diffusion
