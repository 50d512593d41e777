#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/diffusion/engine_rig.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

class SourcePictureTest : public EngineRig {};

class SourcePictureOfSampler : public EngineRig, public testing::WithParamInterface<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, SourcePictureOfSampler, testing::ValuesIn(AllSamplers()),
                         [](const auto& info) { return info.param; });

TEST_P(SourcePictureOfSampler, BeginsFromAPictureAndGoesOnFromItsCheckpoints) {
  TrajectoryRequest request = Request(GetParam(), 8);
  request.source = "stripes";
  request.strength = 0.6;
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture) << whole->Error();
  engine.WaitUntilIdle();
  EXPECT_EQ(whole->started_at, 0);
  EXPECT_EQ(whole->steps, 8);
  TrajectoryRequest rest = request;
  {
    const std::lock_guard lock(whole->mutex);
    ASSERT_FALSE(whole->checkpoints.empty());
    EXPECT_GE(whole->checkpoints.begin()->first, 5);  // the first four steps were never taken
    rest.checkpoint = whole->checkpoints.begin()->second;
  }
  auto resumed = std::make_shared<Recorder>();
  engine.Submit(rest, resumed);
  ASSERT_EQ(resumed->Wait(), Ending::kPicture);
  EXPECT_TRUE(at::equal(resumed->picture, whole->picture));
}

TEST_F(SourcePictureTest, ASourcePictureMakesADifference) {
  TrajectoryRequest request = Request("ddim", 10);
  const at::Tensor without = Alone(request);
  request.source = "stripes";
  request.strength = 1;
  const at::Tensor strong = Alone(request);
  request.strength = 0.2;
  const at::Tensor weak = Alone(request);
  EXPECT_FALSE(at::equal(without, strong));
  EXPECT_FALSE(at::equal(strong, weak));
}

TEST_P(SourcePictureOfSampler, PaintsOnlyWhereTheMaskIsAndGoesOnFromCheckpoints) {
  TrajectoryRequest request = Request(GetParam(), 8);
  request.source = "stripes";
  request.mask = "half";
  request.strength = 0.6;
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture) << whole->Error();
  engine.WaitUntilIdle();
  TrajectoryRequest rest = request;
  {
    const std::lock_guard lock(whole->mutex);
    ASSERT_FALSE(whole->checkpoints.empty());
    rest.checkpoint = whole->checkpoints.rbegin()->second;
  }
  auto resumed = std::make_shared<Recorder>();
  engine.Submit(rest, resumed);
  ASSERT_EQ(resumed->Wait(), Ending::kPicture);
  EXPECT_TRUE(at::equal(resumed->picture, whole->picture));
}

TEST_F(SourcePictureTest, AMaskKeepsTheRest) {
  TrajectoryRequest request = Request("ddim", 6);
  request.source = "stripes";
  request.mask = "nothing";  // black: all is kept
  const at::Tensor kept = Alone(request);
  request.seed += 1;  // the autoencoder draws, but nothing else does
  const at::Tensor again = Alone(request);
  const double difference = (kept.to(at::kFloat) - again.to(at::kFloat)).abs().mean().item<double>();
  request.mask = "half";
  const at::Tensor half = Alone(request);
  EXPECT_FALSE(at::equal(half, again));
  request.mask.clear();
  request.strength = 1;
  EXPECT_GT((Alone(request).to(at::kFloat) - again.to(at::kFloat)).abs().mean().item<double>(), difference);
}

TEST_F(SourcePictureTest, ABadSourcePictureFailsAloneAndSaysWhy) {
  Engine engine(*models_, Options());
  TrajectoryRequest request = Request();
  const auto error_of = [&](const std::string& source, double strength) {
    request.source = source;
    request.strength = strength;
    return ErrorOf(engine, request);
  };
  EXPECT_THAT(error_of("dots", 0.5), HasSubstr("no such picture"));
  request.mask = "half";
  EXPECT_THAT(error_of("", 0.5), HasSubstr("a mask needs a source picture"));
  request.mask.clear();
  EXPECT_THAT(error_of("stripes", 1.5), HasSubstr("strength must be 0 to 1"));
  EXPECT_THAT(error_of("stripes", 0.1), HasSubstr("leaves none of 6 steps"));
}

}  // namespace
}  // namespace mind::diffusion
