#include "server/queue/fair_turns.h"

#include <gtest/gtest.h>

#include <deque>

namespace mind::server {
namespace {

class FairTurnsTest : public testing::Test {
 protected:
  FairTurns::Claim& Join(const std::string& tenant, int64_t portions = 1, double cost = 1) {
    FairTurns::Claim& claim = claims_.emplace_back();
    claim.portions = portions;
    claim.cost = cost;
    turns_.Join(claim, tenant);
    return claim;
  }

  int moved_ = 0;
  FairTurns turns_{[this](FairTurns::Claim&) { ++moved_; }};
  std::deque<FairTurns::Claim> claims_;
};

TEST_F(FairTurnsTest, AClaimStartsWhereTheOneBeforeItEnds) {
  EXPECT_EQ(Join("a", 2, 3).start, 0);
  EXPECT_EQ(Join("a").start, 6);
  EXPECT_EQ(Join("b").start, 0);
}

TEST_F(FairTurnsTest, TellsWhereOneWouldStart) {
  EXPECT_EQ(turns_.NextStart("a"), 0);
  FairTurns::Claim& first = Join("a", 2, 3);
  EXPECT_EQ(turns_.NextStart("a"), 6);
  EXPECT_EQ(turns_.NextStart("b"), 0);
  turns_.Begin(first);
  turns_.Begin(first);
  EXPECT_EQ(turns_.virtual_time(), 3);
  EXPECT_EQ(turns_.NextStart("a"), 6) << "what has begun is charged";
  EXPECT_EQ(turns_.NextStart("b"), 3);
  EXPECT_EQ(Join("b").start, 3);
  EXPECT_EQ(Join("a").start, 6);
}

TEST_F(FairTurnsTest, TimeIsWhereTheLastPortionBegan) {
  FairTurns::Claim& a = Join("a", 3, 2);
  turns_.Begin(a);
  turns_.Begin(a);
  EXPECT_EQ(turns_.virtual_time(), 2);
  EXPECT_EQ(a.start, 4);
  EXPECT_EQ(Join("late").start, 2);
}

TEST_F(FairTurnsTest, AGapIsClosedAndWhatHasBegunStaysCharged) {
  FairTurns::Claim& first = Join("a", 4);
  FairTurns::Claim& second = Join("a", 2);
  FairTurns::Claim& third = Join("a");
  EXPECT_EQ(third.start, 6);
  turns_.Begin(first);
  turns_.Leave(first);
  EXPECT_EQ(second.start, 1);
  EXPECT_EQ(third.start, 3);
  EXPECT_EQ(moved_, 2);
  turns_.Drop(second);
  EXPECT_EQ(third.start, 2);
  turns_.Leave(second);
  turns_.Leave(third);
  EXPECT_EQ(Join("a").start, 1);
}

TEST_F(FairTurnsTest, NothingMovesBeforeTheTimeAtWhichItCame) {
  FairTurns::Claim& first = Join("a", 1, 10);
  FairTurns::Claim& other = Join("b", 1, 5);
  FairTurns::Claim& also = Join("b", 1, 5);
  turns_.Begin(other);
  turns_.Begin(also);
  FairTurns::Claim& second = Join("a");
  EXPECT_EQ(second.start, 10);
  turns_.Leave(first);
  EXPECT_EQ(second.start, 5);
}

TEST_F(FairTurnsTest, TenantsOfThePastAreForgotten) {
  for (int i = 0; i < 100; ++i) turns_.Begin(Join("t" + std::to_string(i), 1, 1 + i));
  EXPECT_EQ(turns_.tenants(), 100U);
  FairTurns::Claim& long_one = Join("z", 3, 60);
  for (int i = 0; i < 3; ++i) turns_.Begin(long_one);
  EXPECT_EQ(turns_.virtual_time(), 120);
  EXPECT_EQ(turns_.tenants(), 1U);
  turns_.Leave(Join("passes by"));
  EXPECT_EQ(turns_.tenants(), 1U);
}

}  // namespace
}  // namespace mind::server
