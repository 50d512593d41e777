#include "worker/diffusion/engine/step_turns.h"

#include <gtest/gtest.h>

#include <map>

namespace mind::diffusion {
namespace {

using Picture = StepTurns::Picture;
using ExpectedOrder = std::vector<uint64_t>;

// Of pictures that take a second a step, one at a time.
class StepTurnsTest : public testing::Test {
 protected:
  Picture& Add(uint64_t id, std::string_view job, double left, std::string_view tenant = "") {
    pictures_.push_back({.id = id,
                         .job = job,
                         .tenant = tenant,
                         .seconds_left = left,
                         .arrived = turns_.now(),
                         .last_served = number_});
    return pictures_.back();
  }
  ExpectedOrder Order() {
    ExpectedOrder ids;
    for (const size_t place : turns_.Order(pictures_)) ids.push_back(pictures_[place].id);
    return ids;
  }
  // A new job of this tenant, if it has none.
  void Fill(std::string_view tenant, double left, double weight = 1) {
    for (const Picture& picture : pictures_) {
      if (picture.tenant == tenant) return;
    }
    Add(++last_id_, "", left, tenant).weight = weight;
  }
  // One step of the first; gives its id.
  uint64_t Step() {
    const size_t place = turns_.Order(pictures_).front();
    Picture& picture = pictures_[place];
    const uint64_t id = picture.id;
    turns_.Took(1, {{std::string(picture.tenant), picture.weight, 1}});
    picture.last_served = ++number_;
    ++had_[std::string(picture.tenant)];
    if (--picture.seconds_left <= 0) pictures_.erase(pictures_.begin() + static_cast<std::ptrdiff_t>(place));
    return id;
  }
  StepTurns turns_{{}};
  std::vector<Picture> pictures_;
  std::map<std::string, int> had_;
  uint64_t number_ = 0, last_id_ = 0;
};

TEST_F(StepTurnsTest, TheJobWithTheLeastLeftGoesFirst) {
  Add(1, "long", 50);
  Add(2, "short", 10);
  EXPECT_EQ(Order(), (ExpectedOrder{2, 1}));
}

TEST_F(StepTurnsTest, WhatCountsIsTheWholeJob) {
  for (uint64_t id = 1; id <= 8; ++id) Add(id, "many", 10);
  Add(9, "one", 50);
  EXPECT_EQ(Order().front(), 9U);
}

TEST_F(StepTurnsTest, WithinAJobOnePictureAfterTheOther) {
  Add(1, "job", 9);
  Add(2, "job", 8);
  Add(3, "job", 9);
  EXPECT_EQ(Order(), (ExpectedOrder{2, 1, 3}));
}

TEST_F(StepTurnsTest, PicturesWithoutAJobAreJobsByThemselves) {
  Add(1, "", 20);
  Add(2, "", 19);
  Add(3, "pair", 15);
  Add(4, "pair", 15);
  EXPECT_EQ(Order(), (ExpectedOrder{2, 1, 3, 4}));
}

TEST_F(StepTurnsTest, WhatWasNeverMeasuredGoesFirst) {
  Add(1, "known", 1);
  Add(2, "new", 0);
  EXPECT_EQ(Order().front(), 2U);
}

// One of 20 seconds, and a stream of such as take two: after ten times its twenty no newcomer passes it.
TEST_F(StepTurnsTest, NobodyIsPassedForLongerThanPatienceAllows) {
  turns_ = StepTurns({.patience = 10, .flow = 0});
  Add(1, "long", 20);
  uint64_t newcomer = 2;
  int begun = 0;
  for (;; ++begun) {
    ASSERT_LE(begun, 200);
    if (pictures_.size() < 2) Add(++newcomer, "short", 2), pictures_.back().job = "";
    if (Step() == 1) break;
  }
  EXPECT_GE(begun, 178);  // 10 · (20 - 2) and the newcomer's own age
}

TEST_F(StepTurnsTest, WithoutPatienceWhoCameFirstGoesFirst) {
  turns_ = StepTurns({.patience = 0, .flow = 0});
  Add(1, "first", 50);
  turns_.Took(1, {});
  Add(2, "second", 1);
  EXPECT_EQ(Order(), (ExpectedOrder{1, 2}));
}

// Whatever there is left to do, each of eight has a step in 8 / flow of them.
TEST_F(StepTurnsTest, EverybodyMoves) {
  for (uint64_t id = 1; id <= 8; ++id) Add(id, "", 1000 * static_cast<double>(id));
  std::map<uint64_t, int> last;
  for (int i = 1; i <= 900; ++i) last[Step()] = i;
  for (uint64_t id = 1; id <= 8; ++id) EXPECT_GT(last[id], 900 - 40 - 8) << id;
}

// However few batches went by: the server would take it away.
TEST_F(StepTurnsTest, WhoHasGoneWithoutForTenStepsOfAllGoesFirst) {
  Add(1, "long", 1000).step_seconds = 1;
  Add(2, "short", 1);
  turns_.Took(20, {});
  EXPECT_EQ(Order().front(), 2U);
  turns_.Took(1, {});
  EXPECT_EQ(Order().front(), 1U);
}

TEST_F(StepTurnsTest, AllOfTheTimeForThoseServedLongestAgoIsEqualShares) {
  turns_ = StepTurns({.flow = 1});
  for (uint64_t id = 1; id <= 3; ++id) Add(id, "", 100 * static_cast<double>(id));
  std::map<uint64_t, int> steps;
  for (int i = 0; i < 90; ++i) ++steps[Step()];
  EXPECT_EQ(steps, (std::map<uint64_t, int>{{1, 30}, {2, 30}, {3, 30}}));
}

TEST_F(StepTurnsTest, ALonePictureOwesNobody) {
  Add(1, "", 1000);
  for (int i = 0; i < 500; ++i) Step();
  Add(2, "", 1);
  EXPECT_EQ(Step(), 2U);
}

// One tenant's short jobs never end; another has long ones.
TEST_F(StepTurnsTest, TenantsShareByTheirWeights) {
  for (int i = 0; i < 8000; ++i) {
    Fill("short", 5);
    Fill("long", 40, 3);
    Step();
  }
  EXPECT_NEAR(had_["long"], 6000, 160);
}

TEST_F(StepTurnsTest, WhoWasAwayHasNoClaimOnWhatWasGivenMeanwhile) {
  for (int i = 0; i < 5000; ++i) Fill("steady", 10), Step();
  Add(++last_id_, "", 1000, "newcomer");
  for (int i = 0; i < 500; ++i) Fill("steady", 10), Step();
  EXPECT_GT(had_["steady"], 5000 + 400);
}

TEST_F(StepTurnsTest, TenantsThatAreAsGoodAsNewAreForgotten) {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("tenant " + std::to_string(i));
  for (size_t i = 0; i < names.size(); ++i) {
    Add(i + 1, "", 3, names[i]);
    while (!pictures_.empty()) Step();
  }
  EXPECT_LE(turns_.tenants(), 4U);
}

}  // namespace
}  // namespace mind::diffusion
