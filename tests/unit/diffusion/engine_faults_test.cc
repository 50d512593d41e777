// What the engine does when the machine fails it: no memory, a device that is lost, a step that does not end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/model_with.h"
#include "tests/unit/diffusion/scarce_memory.h"
#include "worker/diffusion/engine/row_runner.h"
#include "worker/diffusion/machine_fault.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

class EngineFaultsTest : public EngineRig {
 protected:
  static std::vector<std::shared_ptr<Recorder>> SubmitAll(Engine& engine, int count,
                                                          const TrajectoryRequest& request) {
    std::vector<std::shared_ptr<Recorder>> all;
    for (int i = 0; i < count; ++i) {
      all.push_back(std::make_shared<Recorder>());
      engine.Submit(request, all.back());
    }
    return all;
  }
};

// Whichever of the allocations of a batch fails: the rows are run again, to the same bytes.
TEST_F(EngineFaultsTest, ABatchWithoutMemoryIsRunAgainToTheSameBytes) {
  const c10::InferenceMode inference;
  const std::shared_ptr<const Pipeline> model = models_->Get("sd1");
  const TrajectoryRequest request = Request();
  const std::vector<int64_t> shape = model->LatentShape(request.width, request.height);
  std::vector<EvaluationRow> rows;
  for (const Told& told : model->Condition(request.picture, shape).rows) {
    rows.push_back({.sample = SeededNoise(1).Draw(shape), .timestep = 500, .told = told, .adapters = {}});
  }
  int freed = 0;
  RowRunner runner(MakeSideBySideExecutor(2), [&freed] { ++freed; });
  const std::vector<RowResult> expected = runner.Run(model->denoiser(), rows, 2).results;
  ScarceMemory memory;
  memory.FailAfter(1 << 30);
  runner.Run(model->denoiser(), rows, 2);
  const int64_t allocations = memory.asked();
  ASSERT_GT(allocations, 50);
  for (int64_t good = 0; good < allocations; ++good) {
    memory.FailAfter(good);
    const RowRunner::Outcome outcome = runner.Run(model->denoiser(), rows, 2);
    EXPECT_EQ(outcome.fits, 1U) << good;
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_FALSE(outcome.results[i].error) << good;
      EXPECT_TRUE(at::equal(outcome.results[i].output, expected[i].output)) << good;
    }
  }
  EXPECT_EQ(freed, allocations);
  memory.FailAfter(allocations / 4, 1 << 30);  // not enough for one of the two, if one runs before the other
  for (const RowResult& result : runner.Run(model->denoiser(), rows, 2).results) {
    EXPECT_EQ(FaultOf(result.error), MachineFault::kOutOfMemory);
  }
  memory.Relent();
  const RowRunner::Outcome after = runner.Run(model->denoiser(), rows, 2);
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_TRUE(at::equal(after.results[i].output, expected[i].output));
}

// Anywhere in the course of a picture: it comes out right, or it fails for want of memory, which sends it to
// another worker; and the next one comes out right.
TEST_F(EngineFaultsTest, APictureWithoutMemoryIsRightOrFailsByName) {
  const TrajectoryRequest request = Request("dpmpp_2m", 2);
  const at::Tensor expected = Alone(request);
  Engine engine(*models_, Options());
  ScarceMemory memory;
  const auto make = [&] {
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    const Ending ending = events->Wait();
    engine.WaitUntilIdle();
    if (ending == Ending::kPicture) {
      EXPECT_TRUE(at::equal(events->picture, expected));
    } else {
      EXPECT_EQ(ending, Ending::kFailed);
      EXPECT_EQ(FaultOf(events->error), MachineFault::kOutOfMemory) << events->Error();
    }
    return ending;
  };
  memory.FailAfter(1 << 30);
  ASSERT_EQ(make(), Ending::kPicture);
  const int64_t allocations = memory.asked();
  int pictures = 0;
  for (int64_t good = 0; good < allocations; good += std::max<int64_t>(allocations / 60, 1)) {
    memory.FailAfter(good);
    if (make() == Ending::kPicture) ++pictures;
  }
  EXPECT_GT(pictures, 0);  // most of it is steps, which are tried again
  memory.Relent();
  EXPECT_EQ(make(), Ending::kPicture);
}

class Shortages : public EngineMeter {
 public:
  void OnOutOfMemory(const std::string&, size_t rows, size_t fits) override {
    ++count;
    EXPECT_EQ(rows, 2U);
    EXPECT_EQ(fits, 1U);
  }
  std::atomic<int> count = 0;
};

// Memory for one row at a time: the second batch already knows.
TEST_F(EngineFaultsTest, WhatFitsIsRememberedForTheShape) {
  std::atomic<int> inside = 0;
  const std::shared_ptr<const Pipeline> whole = models_->Get("sd1");
  ModelWith model(whole, [&](const DenoiserInput& input) {
    struct Inside {
      explicit Inside(std::atomic<int>& n) : count(n), number(++n) {}
      ~Inside() { --count; }
      std::atomic<int>& count;
      const int number;
    } const here(inside);
    if (here.number > 1) throw std::bad_alloc();
    // Long enough for another row to come in, if there is one.
    const at::Tensor out = whole->denoiser()(input);
    return out;
  });
  Shortages meter;
  Engine engine(model, Options(), &meter);
  const auto all = SubmitAll(engine, 2, Request("ddim", 20));
  const at::Tensor expected = Alone(Request("ddim", 20));
  for (const auto& events : all) {
    ASSERT_EQ(events->Wait(), Ending::kPicture) << events->Error();
    EXPECT_TRUE(at::equal(events->picture, expected));
  }
  EXPECT_LE(meter.count, 1);
}

TEST_F(EngineFaultsTest, ALostDeviceHandsEverythingBackAndTakesNoMore) {
  std::atomic<int> calls = 0;
  const std::shared_ptr<const Pipeline> whole = models_->Get("sd1");
  ModelWith model(whole, [&](const DenoiserInput& input) {
    TORCH_CHECK(++calls < 20, "CUDA error: an illegal memory access was encountered");
    return whole->denoiser()(input);
  });
  std::atomic<int> told = 0;
  std::string reason;
  Engine::Options options = Options();
  options.device_lost = [&](const std::string& why) {
    ++told;
    reason = why;
  };
  Engine engine(model, options);
  for (const auto& events : SubmitAll(engine, 6, Request("heun", 50)))
    EXPECT_EQ(events->Wait(), Ending::kHandedBack);
  engine.WaitUntilIdle();
  EXPECT_EQ(told, 1);
  EXPECT_THAT(reason, HasSubstr("illegal memory access"));
  for (const auto& events : SubmitAll(engine, 2, Request())) EXPECT_EQ(events->Wait(), Ending::kHandedBack);
  engine.WaitUntilIdle();
  EXPECT_EQ(engine.active(), 0U);
  EXPECT_EQ(told, 1);
}

TEST_F(EngineFaultsTest, AStepThatDoesNotEndIsNoticed) {
  std::promise<void> go_on;
  const std::shared_future<void> gate = go_on.get_future().share();
  std::atomic<int> calls = 0;
  const std::shared_ptr<const Pipeline> whole = models_->Get("sd1");
  ModelWith model(whole, [&](const DenoiserInput& input) {
    if (++calls > 20) gate.wait();
    return whole->denoiser()(input);
  });
  Engine engine(model, Options());
  const auto hung = SubmitAll(engine, 1, Request("ddim", 30));
  while (!engine.StepHangs(std::chrono::milliseconds(20))) std::this_thread::yield();
  EXPECT_FALSE(engine.StepHangs(std::chrono::hours(1)));
  go_on.set_value();
  EXPECT_EQ(hung.front()->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  while (engine.StepHangs(std::chrono::milliseconds(20)))
    std::this_thread::yield();  // the step thread goes to rest
}

}  // namespace
}  // namespace mind::diffusion
