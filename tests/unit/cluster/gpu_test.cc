#include "tests/bench/cluster/gpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::simulation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// One picture a step takes 2 s, two 3 s; of the second kind 10 s and 11 s.
const Pool kPool = {
    .model = "m",
    .kinds = {{.side = 512, .times = StepTimes::Line(1, 1)}, {.side = 1024, .times = StepTimes::Line(9, 1)}}};

Gpu::Picture Picture(const std::string& job, uint32_t steps, size_t kind = 0) {
  Gpu::Picture picture{.kind = kind, .left = steps};
  picture.image.set_job_id(job);
  return picture;
}
std::vector<std::string> Names(const std::vector<Gpu::Picture>& pictures) {
  std::vector<std::string> names;
  for (const Gpu::Picture& picture : pictures) names.push_back(picture.image.job_id());
  return names;
}
// Begins what was given.
void Begin(Gpu& gpu, double now) {
  ASSERT_EQ(gpu.next(), now);
  gpu.Advance(now);
}

TEST(Gpu, WithoutWorkHasNothingNext) {
  const Gpu gpu("g", kPool, Batching::kByStep, 8);
  EXPECT_EQ(gpu.next(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(gpu.max_images(), 8U);
  EXPECT_EQ(gpu.RowSeconds(), 0);
}

TEST(Gpu, ByStepAPictureJoinsAtTheEndOfAStep) {
  Gpu gpu("g", kPool, Batching::kByStep, 8);
  gpu.Take(Picture("a", 3), 100);
  Begin(gpu, 100);
  EXPECT_EQ(gpu.next(), 106);
  gpu.Take(Picture("b", 1), 101);
  EXPECT_EQ(gpu.next(), 102);
  const Gpu::News joined = gpu.Advance(102);
  EXPECT_THAT(Names(joined.begun), ElementsAre("b"));
  EXPECT_THAT(joined.done, IsEmpty());
  EXPECT_EQ(gpu.next(), 105) << "the two share a step";
  EXPECT_THAT(Names(gpu.Advance(105).done), ElementsAre("b"));
  EXPECT_EQ(gpu.next(), 107);
  EXPECT_THAT(Names(gpu.Advance(107).done), ElementsAre("a"));
  EXPECT_EQ(gpu.TotalsAt(200).busy_seconds, 7);
  EXPECT_EQ(gpu.TotalsAt(200).forwards, 3);
  EXPECT_EQ(gpu.TotalsAt(200).picture_steps, 4);
}

TEST(Gpu, ByStepKindsTakeTurns) {
  Gpu gpu("g", kPool, Batching::kByStep, 8);
  gpu.Take(Picture("a", 2, 0), 0);
  gpu.Take(Picture("b", 1, 1), 0);
  Begin(gpu, 0);
  EXPECT_EQ(gpu.next(), 12) << "a step of each";
  EXPECT_THAT(Names(gpu.Advance(12).done), ElementsAre("b"));
  EXPECT_EQ(gpu.next(), 14);
}

TEST(Gpu, AStaticBatchTakesNobodyInAndEndsWithItsLongest) {
  Gpu gpu("g", kPool, Batching::kStatic, 8);
  gpu.Take(Picture("a", 1), 0);
  gpu.Take(Picture("b", 3), 0);
  Begin(gpu, 0);
  EXPECT_EQ(gpu.max_images(), 0U) << "it is closed";
  gpu.Take(Picture("c", 1), 1);
  EXPECT_EQ(gpu.next(), 9);
  const Gpu::News ended = gpu.Advance(9);
  EXPECT_THAT(Names(ended.done), ElementsAre("a", "b"));
  EXPECT_THAT(ended.begun, IsEmpty()) << "others may come before the next begins";
  gpu.Take(Picture("d", 1), 9);
  EXPECT_THAT(Names(gpu.Advance(9).begun), ElementsAre("c", "d"));
}

TEST(Gpu, AStaticBatchIsOfOneKind) {
  Gpu gpu("g", kPool, Batching::kStatic, 8);
  gpu.Take(Picture("a", 1, 1), 0);
  gpu.Take(Picture("b", 1, 0), 0);
  gpu.Take(Picture("c", 1, 1), 0);
  EXPECT_THAT(Names(gpu.Advance(0).begun), ElementsAre("a", "c"));
  EXPECT_THAT(Names(gpu.Advance(11).done), ElementsAre("a", "c"));
  EXPECT_THAT(Names(gpu.Advance(11).begun), ElementsAre("b"));
}

TEST(Gpu, HandsBackWithTheStepsThatAreDone) {
  Gpu gpu("g", kPool, Batching::kByStep, 8);
  gpu.Take(Picture("a", 5), 0);
  Begin(gpu, 0);
  gpu.Take(Picture("b", 5), 4.5);
  const std::vector<Gpu::Picture> back = gpu.HandBack(5);
  EXPECT_THAT(Names(back), ElementsAre("a", "b"));
  EXPECT_EQ(back[0].done, 2U);
  EXPECT_EQ(back[0].left, 3U);
  EXPECT_EQ(back[1].done, 0U);
  EXPECT_EQ(gpu.next(), std::numeric_limits<double>::infinity());
}

TEST(Gpu, SaysWhatARowTakesAtTheModelsOwnSize) {
  Gpu gpu("g", kPool, Batching::kByStep, 8);
  gpu.Take(Picture("a", 1, 1), 0);
  Begin(gpu, 0);
  gpu.Advance(10);
  EXPECT_DOUBLE_EQ(gpu.RowSeconds(), 5 * 0.25) << "known of the larger alone: in proportion";
  gpu.Take(Picture("b", 1, 0), 10);
  Begin(gpu, 10);
  gpu.Advance(12);
  EXPECT_DOUBLE_EQ(gpu.RowSeconds(), 1);
}

}  // namespace
}  // namespace mind::simulation
