#include "worker/diffusion/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <new>
#include <set>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/model_with.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

// Remembers how many trajectories shared each batch.
class BatchSizes : public EngineMeter {
 public:
  void OnBatch(const Batch& batch) override {
    const std::lock_guard lock(mutex_);
    trace_.push_back(batch.trajectories);
  }
  std::vector<size_t> trace() {
    const std::lock_guard lock(mutex_);
    return trace_;
  }
  size_t largest() {
    const std::vector<size_t> all = trace();
    return all.empty() ? 0 : *std::max_element(all.begin(), all.end());
  }

 private:
  std::mutex mutex_;
  std::vector<size_t> trace_;
};

class EngineTest : public EngineRig {};

// Eight requests that differ in everything, with every sampler once in some eight.
class EngineMixTest : public EngineTest, public testing::WithParamInterface<size_t> {};

TEST_P(EngineMixTest, APictureDoesNotDependOnItsNeighbours) {
  constexpr size_t kTogether = 8;
  const std::vector<std::string> samplers = AllSamplers();
  std::vector<TrajectoryRequest> requests;
  for (size_t i = 0; i < kTogether; ++i) {
    const std::string& sampler = samplers[(GetParam() * kTogether + i) % samplers.size()];
    TrajectoryRequest request =
        Request(sampler, 5 + 2 * static_cast<int64_t>(i), 1 + static_cast<double>(i) * 1.5);
    request.seed = i;
    if (i % 4 == 3) request.width = 96;
    requests.push_back(request);
  }
  BatchSizes sizes;
  std::vector<std::shared_ptr<Recorder>> together;
  {
    Engine engine(*models_, WideOptions(), &sizes);
    for (const TrajectoryRequest& request : requests) {
      together.push_back(std::make_shared<Recorder>());
      engine.Submit(request, together.back());
    }
    for (const auto& events : together) EXPECT_EQ(events->Wait(), Ending::kPicture);
  }
  EXPECT_GT(sizes.largest(), 1U);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_TRUE(at::equal(together[i]->picture, Alone(requests[i]))) << requests[i].sampler;
    const std::lock_guard lock(together[i]->mutex);
    ASSERT_FALSE(together[i]->previews.empty()) << requests[i].sampler;
    EXPECT_LE(together[i]->previews.front(), 2) << requests[i].sampler;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EngineMixTest, testing::Range(size_t{0}, (AllSamplers().size() + 7) / 8));

TEST_F(EngineTest, SamplersOfAllKindsShareBatchesWithoutWaiting) {
  // 50 steps of one evaluation, 20 of two, and an adaptive one that takes as many as it takes.
  const std::vector<TrajectoryRequest> requests = {Request("ddim", 50), Request("heun", 20),
                                                   Request("ode_rk45", 10)};
  std::vector<size_t> alone;  // evaluations of each
  for (const TrajectoryRequest& request : requests) {
    BatchSizes sizes;
    {
      Engine engine(*models_, Options(), &sizes);
      auto events = std::make_shared<Recorder>();
      engine.Submit(request, events);
      ASSERT_EQ(events->Wait(), Ending::kPicture);
    }
    alone.push_back(sizes.trace().size());
  }
  EXPECT_EQ(alone[0], 50U);
  EXPECT_EQ(alone[1], 39U);
  EXPECT_GT(alone[2], 12U);
  BatchSizes sizes;
  {
    Engine::Options options = WideOptions();
    options.side_threads = 1;  // prepares them in order
    Engine engine(*models_, options, &sizes);
    std::vector<std::shared_ptr<Recorder>> events;
    // Prepared last, and refused: then the others are ready.
    auto last = std::make_shared<Recorder>();
    for (const TrajectoryRequest& request : requests) {
      events.push_back(std::make_shared<Recorder>());
      if (events.size() == 1) {
        events.back()->on_step = [&](int64_t step) {
          if (step == 1) last->Wait();
        };
      }
      engine.Submit(request, events.back());
    }
    engine.Submit(Request("ddim", 0), last);
    for (const auto& one : events) ASSERT_EQ(one->Wait(), Ending::kPicture);
  }
  const std::vector<size_t> trace = sizes.trace();
  size_t evaluations = 0;
  for (const size_t size : trace) evaluations += size;
  EXPECT_EQ(evaluations, alone[0] + alone[1] + alone[2]);
  // From the first step on all three are there. As many batches as the longest takes alone, and one more for
  // the evaluation before the others came: nobody waits.
  EXPECT_LE(trace.size(), *std::max_element(alone.begin(), alone.end()) + 1);
  EXPECT_GE(std::count(trace.begin(), trace.end(), 3U), 11);
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

// Of one priority all share the cores; a higher one has them to itself, to the same bytes, and the lower one
// goes on when it is done, to the same bytes too.
TEST_F(EngineTest, AHigherPriorityDoesNotPayForALowerOne) {
  TrajectoryRequest low = Request("ddim", 60), high = Request("euler", 10);
  high.priority = 1;
  low.seed = 8;
  const at::Tensor high_alone = Alone(high), low_alone = Alone(low);
  BatchSizes sizes;
  Engine engine(*models_, Options(), &sizes);  // two cores: one picture's two rows
  auto low_events = std::make_shared<Recorder>(), high_events = std::make_shared<Recorder>();
  std::promise<void> low_runs;
  int64_t low_steps = 0, low_steps_meanwhile = -1;  // the step thread's
  low_events->on_step = [&](int64_t step) {
    low_steps = step;
    if (step == 1) low_runs.set_value();
  };
  high_events->on_step = [&, before = int64_t{0}](int64_t step) mutable {
    if (step == 1) before = low_steps;
    if (step == 10) low_steps_meanwhile = low_steps - before;
  };
  engine.Submit(low, low_events);
  low_runs.get_future().wait();
  engine.Submit(high, high_events);
  ASSERT_EQ(high_events->Wait(), Ending::kPicture) << high_events->Error();
  ASSERT_EQ(low_events->Wait(), Ending::kPicture) << low_events->Error();
  // Nine steps earn the lower one less than half of one; more only where the machine held one of them up.
  EXPECT_LE(low_steps_meanwhile, 2);
  EXPECT_EQ(sizes.largest(), 1U);
  EXPECT_TRUE(at::equal(high_events->picture, high_alone));
  EXPECT_TRUE(at::equal(low_events->picture, low_alone));
}

// Beside the steps it has a processor to itself, but lower ones go on, if slowly.
TEST_F(EngineTest, AHigherPictureThatTakesLongToPrepareDoesNotStopLowerOnes) {
  std::promise<void> preparing, go_on;
  Engine::Options options = Options();
  options.decode = [&](const std::string&) {
    preparing.set_value();
    go_on.get_future().wait();
    return at::zeros({8, 8, 3}, at::kByte);
  };
  Engine engine(*models_, options);
  const auto make = [&](const TrajectoryRequest& request) {
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    return events;
  };
  EXPECT_EQ(make(Request("ddim", 6))->Wait(), Ending::kPicture);  // now it is known what a step takes
  TrajectoryRequest high = Request("ddim", 6);
  high.priority = 1;
  high.source = "slow";
  high.strength = 1;
  const auto high_events = make(high);
  preparing.get_future().wait();
  EXPECT_EQ(make(Request("ddim", 3))->Wait(), Ending::kPicture);
  go_on.set_value();
  EXPECT_EQ(high_events->Wait(), Ending::kPicture) << high_events->Error();
}

// A model whose weights are damaged so that nothing but NaN comes out.
TEST_F(EngineTest, NumbersThatAreNotFiniteMakeNoPicture) {
  support::ModelFolder folder;
  folder.Add("nan", "sd1");
  const std::filesystem::path unet = folder.path() + "/nan/unet",
                              golden = support::ModelFolder::Golden() / "models/sd1/unet";
  std::filesystem::remove(unet);
  std::filesystem::create_directory(unet);
  std::filesystem::copy(golden / "config.json", unet / "config.json");
  std::map<std::string, at::Tensor> tensors =
      SafeTensors::Open((golden / "diffusion_pytorch_model.safetensors").string()).tensors();
  tensors.at("conv_out.bias") = at::full_like(tensors.at("conv_out.bias"), NAN);
  std::ofstream(unet / "diffusion_pytorch_model.safetensors", std::ios::binary)
      << SerializeSafeTensors(tensors);
  ModelCache models(folder.path(), {});
  Engine engine(models, Options());
  TrajectoryRequest request = Request();
  request.model = "nan";
  EXPECT_THAT(ErrorOf(engine, request),
              testing::AllOf(HasSubstr("the model \"nan\" made latents"), HasSubstr("not finite")));
}

TEST_F(EngineTest, AStepThatFailsSaysNothingOfWhatStepsTake) {
  ModelWith model(models_->Get("sd1"), [](const DenoiserInput&) -> at::Tensor { throw std::bad_alloc(); });
  Engine engine(model, Options());
  EXPECT_THAT(ErrorOf(engine, Request()), HasSubstr("bad_alloc"));
  engine.WaitUntilIdle();
  EXPECT_TRUE(engine.RowSeconds().empty());
}

TEST_F(EngineTest, TheRevisionIsWhatTheModelsAreListedWith) {
  std::set<std::string> revisions;
  for (const ModelInfo& info : models_->models()) {
    EXPECT_FALSE(info.revision.empty()) << info.name;
    EXPECT_EQ(models_->Get(info.name)->info().revision, info.revision);
    EXPECT_TRUE(revisions.insert(info.revision).second) << info.name;
  }
}

TEST_F(EngineTest, ABadRequestFailsAloneAndSaysWhy) {
  Engine engine(*models_, Options());
  const auto error_of = [&](const TrajectoryRequest& request) { return ErrorOf(engine, request); };
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
