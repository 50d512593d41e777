#include "worker/link/kept.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/reports.h"

namespace mind {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Lines(const std::vector<ReportPtr>& reports) {
  std::vector<std::string> lines;
  for (const ReportPtr& report : reports) lines.push_back(LineOf(*report));
  return lines;
}

TEST(Kept, HoldsTheNewestCheckpointOfEachPicture) {
  Kept kept(1000);
  kept.Note(Checkpoint("a", 0, 3));
  kept.Note(Checkpoint("a", 1, 2));
  kept.Note(Checkpoint("a", 0, 5));
  kept.Note(Checkpoint("a", 0, 4));  // of an older attempt, late
  kept.Note(Progress("a", 0, 9));
  kept.Note(Started("b", 0));
  EXPECT_THAT(Lines(kept.All()), ElementsAre("checkpoint a/1 2", "checkpoint a/0 5"));
}

TEST(Kept, AResultStandsInForCheckpointsUntilItIsTaken) {
  Kept kept(1000);
  kept.Note(Checkpoint("a", 0, 3));
  kept.Note(Checkpoint("b", 0, 3));
  kept.Note(Result("b", 0));
  kept.Note(Checkpoint("b", 0, 9));
  EXPECT_TRUE(kept.has_results());
  EXPECT_THAT(Lines(kept.All()), ElementsAre("result b/0", "checkpoint a/0 3"));
  kept.Forget(Ref("b", 0));
  EXPECT_FALSE(kept.has_results());
  EXPECT_THAT(Lines(kept.All()), ElementsAre("checkpoint a/0 3"));
}

TEST(Kept, AHandBackLeavesWhatToGoOnFrom) {
  Kept kept(1000);
  kept.Note(Checkpoint("a", 0, 3));
  kept.Note(HandedBack("a", 0, 4, "state"));
  kept.Note(Checkpoint("b", 0, 3));
  kept.Note(HandedBack("b", 0, 0, ""));
  EXPECT_THAT(Lines(kept.All()), ElementsAre("checkpoint a/0 4", "checkpoint b/0 3"));
}

TEST(Kept, NothingIsLeftOfWhatWasStoppedOrFailed) {
  Kept kept(1000);
  kept.Note(Checkpoint("a", 0, 3));
  kept.Note(Checkpoint("b", 0, 3));
  kept.Note(Cancelled("a", 0));
  kept.Note(Failure("b", 0, absl::StatusCode::kDataLoss));
  EXPECT_THAT(kept.All(), IsEmpty());
}

TEST(Kept, ForgetsWhatWasOfferedUnlessSomethingNewerHasCome) {
  Kept kept(1000);
  kept.Note(Checkpoint("a", 0, 3));
  kept.Note(Checkpoint("b", 0, 3));
  const std::vector<ReportPtr> offered = kept.All();
  kept.Note(Checkpoint("b", 0, 4));
  kept.Forget(offered);
  EXPECT_THAT(Lines(kept.All()), ElementsAre("checkpoint b/0 4"));
}

TEST(Kept, IsBoundedAndTheOldestGivesWay) {
  Kept kept(25);
  EXPECT_THAT(kept.Note(Result("a", 0, std::string(10, 'x'))), IsEmpty());
  EXPECT_THAT(kept.Note(Result("b", 0, std::string(10, 'x'))), IsEmpty());
  EXPECT_THAT(Lines(kept.Note(Result("c", 0, std::string(10, 'x')))), ElementsAre("result a/0"));
  EXPECT_THAT(Lines(kept.Note(Result("d", 0, std::string(99, 'x')))),
              ElementsAre("result b/0", "result c/0"));
  EXPECT_THAT(Lines(kept.All()), ElementsAre("result d/0"));
}

}  // namespace
}  // namespace mind
