#include "server/generation/job_ties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kTiesNow = absl::UnixEpoch() + absl::Hours(1);
const absl::Time kLater = kTiesNow + absl::Seconds(30);

TEST(JobTies, TheLastCallToLeaveTakesTheJobAlong) {
  JobTies ties;
  ties.Tie("j");
  ties.Hold("j");
  EXPECT_FALSE(ties.Leave("j"));
  EXPECT_TRUE(ties.Leave("j"));
  EXPECT_FALSE(ties.IsTied("j"));
}

TEST(JobTies, ACallThatDoesNotLeaveIsWaitedForForEver) {
  JobTies ties;
  ties.Tie("j");
  EXPECT_THAT(ties.TakeAbandoned(kTiesNow + absl::Hours(1000)), IsEmpty());
}

TEST(JobTies, CallsOfSeveralFrontsAreCountedTogether) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Watch("j", "a", 1);
  ties.Hold("j", "b", kLater);
  EXPECT_FALSE(ties.Leave("j", "a"));
  EXPECT_TRUE(ties.Leave("j", "b"));
}

TEST(JobTies, AFrontThatNeverWatchesIsWaitedForAWhile) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  EXPECT_THAT(ties.TakeAbandoned(kLater - absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(ties.TakeAbandoned(kLater), ElementsAre("j"));
  EXPECT_FALSE(ties.IsTied("j"));
}

TEST(JobTies, OfSeveralFrontsThatNeverWatchTheLastIsWaitedFor) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Hold("j", "b", kLater + absl::Minutes(1));
  EXPECT_THAT(ties.TakeAbandoned(kLater), IsEmpty());
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Seconds(59)), IsEmpty());
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Minutes(1)), ElementsAre("j"));
}

TEST(JobTies, AFrontThatWatchesIsThere) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Watch("j", "a", 1);
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Hours(1)), IsEmpty());
}

TEST(JobTies, AFrontThatIsLostIsWaitedForAWhileAndTakesTheJobAlong) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Watch("j", "a", 1);
  ties.Unwatch("j", "a", kLater);
  EXPECT_THAT(ties.TakeAbandoned(kLater - absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(ties.TakeAbandoned(kLater), ElementsAre("j"));
}

TEST(JobTies, AFrontThatComesBackIsWaitedForNoMore) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Watch("j", "a", 1);
  ties.Unwatch("j", "a", kLater);
  ties.Watch("j", "a", 1);
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Hours(1)), IsEmpty());
  EXPECT_TRUE(ties.Leave("j", "a"));
}

TEST(JobTies, AnEarlierConnectionMayEndAfterALaterHasBegun) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Watch("j", "a", 1);
  ties.Watch("j", "a", 1);
  ties.Unwatch("j", "a", kLater);
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Hours(1)), IsEmpty());
}

TEST(JobTies, OfALostFrontTheOthersKeepTheJob) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Watch("j", "a", 1);
  ties.Hold("j", "b", kLater);
  ties.Watch("j", "b", 1);
  ties.Unwatch("j", "a", kLater);
  EXPECT_THAT(ties.TakeAbandoned(kLater), IsEmpty());
  EXPECT_TRUE(ties.Leave("j", "b"));
}

TEST(JobTies, AnotherCallOfAFrontThatWatchesNeedsNoWatchOfItsOwn) {
  JobTies ties;
  ties.Tie("j", "a", kLater);
  ties.Watch("j", "a", 1);
  ties.Hold("j", "a", kLater);
  EXPECT_FALSE(ties.Leave("j", "a"));
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Hours(1)), IsEmpty());
  EXPECT_TRUE(ties.Leave("j", "a"));
}

TEST(JobTies, AnOrphanIsWaitedForAWhile) {
  JobTies ties;
  ties.Orphan("j", kLater);
  EXPECT_THAT(ties.TakeAbandoned(kLater - absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(ties.TakeAbandoned(kLater), ElementsAre("j"));
}

TEST(JobTies, AFrontBringsItsCallsToTheNextLeader) {
  JobTies ties;
  ties.Orphan("j", kLater);
  ties.Watch("j", "a", 2);
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Hours(1)), IsEmpty());
  EXPECT_FALSE(ties.Leave("j", "a"));
  EXPECT_TRUE(ties.Leave("j", "a"));
}

TEST(JobTies, AClientThatLeavesAfterAChangeOfLeaderTakesTheJobAlongAtOnce) {
  JobTies ties;
  ties.Orphan("j", kLater);
  EXPECT_TRUE(ties.Leave("j", "a"));
}

TEST(JobTies, AnOrphanThatIsWatchedLivesByItselfAndAHeldJobDoesNot) {
  JobTies ties;
  ties.Orphan("orphan", kLater);
  ties.Adopt("orphan");
  EXPECT_FALSE(ties.IsTied("orphan"));
  ties.Tie("held", "a", kLater);
  ties.Adopt("held");
  EXPECT_TRUE(ties.IsTied("held"));
}

TEST(JobTies, AJobThatLivesByItselfIsNobodysToTake) {
  JobTies ties;
  ties.Hold("j", "a", kLater);
  ties.Watch("j", "a", 3);
  ties.Unwatch("j", "a", kLater);
  EXPECT_FALSE(ties.Leave("j", "a"));
  EXPECT_THAT(ties.TakeAbandoned(kLater + absl::Hours(1)), IsEmpty());
}

}  // namespace
}  // namespace mind::server
