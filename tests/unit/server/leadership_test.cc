#include "server/cluster/leadership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "server/store/term_store.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

// Knows how many there are, and can belong to somebody else.
class CountedStore : public FakeStore {
 public:
  CountedStore(int& open, const bool& taken) : open_(open), taken_(taken) { ++open_; }
  ~CountedStore() override { --open_; }
  void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) override {
    if (taken_) return done(MakeError(absl::StatusCode::kAborted, "over", kTermOver));
    FakeStore::Commit(std::move(batch), std::move(done));
  }

 private:
  int& open_;
  const bool& taken_;
};

class LeadershipTest : public ::testing::Test {
 protected:
  using Queue = std::deque<std::function<void()>>;

  Leadership::Options Options() {
    ServiceOptions service;
    service.post = [this](std::function<void()> work) { loop_.push_back(std::move(work)); };
    service.clock = [] { return absl::UnixEpoch() + absl::Hours(1); };
    service.steady_clock = [] { return absl::Hours(1); };
    service.held_bytes = 10'000;
    return {.service = service,
            .open = [this](uint64_t term) -> absl::StatusOr<std::unique_ptr<JobStore>> {
              opened_.push_back(term);
              if (!cannot_open_.ok()) return cannot_open_;
              auto store = std::make_unique<CountedStore>(open_stores_, taken_);
              store->slow = slow_;
              return store;
            },
            .elsewhere = [this](std::function<void()> work) { elsewhere_.push_back(std::move(work)); },
            .lost = [this](uint64_t term, const std::string& why) { lost_.emplace_back(term, why); },
            .serving = [this](bool serving) { serving_ = serving; }};
  }
  static void Run(Queue& queue) {
    while (!queue.empty()) {
      const std::function<void()> work = std::move(queue.front());
      queue.pop_front();
      work();
    }
  }
  // Until nothing is left to do, here and there.
  void Settle() {
    while (!loop_.empty() || !elsewhere_.empty()) {
      Run(loop_);
      Run(elsewhere_);
    }
  }
  // A worker of a model whose description takes up so much.
  void OfferModel(size_t bytes) {
    v1::Register registration;
    registration.set_name("w");
    *registration.add_models() = SmallModel("m");
    registration.mutable_models(0)->mutable_samplers(0)->set_description(std::string(bytes, 'x'));
    const absl::Status taken = seat_.OnRegister(std::make_shared<FakeSession>(), registration);
    EXPECT_TRUE(taken.ok()) << taken;
  }

  Queue loop_, elsewhere_;
  std::vector<uint64_t> opened_;
  absl::Status cannot_open_;
  bool slow_ = false, taken_ = false;
  int open_stores_ = 0;
  std::vector<std::pair<uint64_t, std::string>> lost_;
  bool serving_ = false;
  ServerMetrics metrics_;
  LeaderSeat seat_;
  Leadership leadership_{Options(), metrics_, seat_};
};

TEST_F(LeadershipTest, ServesWhenItsStoreIsOpenAndTheLoopHasHeardOfIt) {
  leadership_.Begin(3);
  Run(loop_);
  EXPECT_THAT(opened_, IsEmpty());  // that may wait, and the loop does not
  Run(elsewhere_);
  EXPECT_THAT(opened_, ElementsAre(3));
  EXPECT_TRUE(seat_.vacant());
  Run(loop_);
  EXPECT_FALSE(seat_.vacant());
  EXPECT_TRUE(serving_);
  EXPECT_THAT(lost_, IsEmpty());
}

TEST_F(LeadershipTest, LetsGoOfAllThatItHasWhenItEnds) {
  leadership_.Begin(3);
  Settle();
  EXPECT_EQ(open_stores_, 1);
  leadership_.End();
  EXPECT_TRUE(seat_.vacant());
  EXPECT_EQ(open_stores_, 1);  // closing may wait as well
  Settle();
  EXPECT_EQ(open_stores_, 0);
}

TEST_F(LeadershipTest, ATermThatIsOverBeforeItIsReadyNeverServes) {
  leadership_.Begin(3);
  leadership_.End();
  leadership_.Begin(5);
  Settle();
  EXPECT_THAT(opened_, ElementsAre(3, 5));
  EXPECT_EQ(open_stores_, 1);
  EXPECT_FALSE(seat_.vacant());
  leadership_.End();
  Settle();
  EXPECT_EQ(open_stores_, 0);
  EXPECT_TRUE(seat_.vacant());
}

TEST_F(LeadershipTest, AStoreThatCannotBeOpenedLosesTheTerm) {
  cannot_open_ = absl::UnavailableError("no route to host");
  leadership_.Begin(3);
  Settle();
  EXPECT_TRUE(seat_.vacant());
  EXPECT_THAT(lost_, ElementsAre(Pair(3, HasSubstr("no route to host"))));
}

TEST_F(LeadershipTest, WhatWasUnderWayWhenItEndedIsHeardByNobody) {
  slow_ = true;
  leadership_.Begin(3);
  Settle();
  OfferModel(10);
  Run(loop_);  // the store has it
  leadership_.End();
  Settle();
  EXPECT_THAT(lost_, IsEmpty());
  slow_ = false;
  leadership_.Begin(4);
  Settle();
  EXPECT_FALSE(seat_.vacant());
}

TEST_F(LeadershipTest, AWriteUnderATermThatIsOverLosesIt) {
  leadership_.Begin(3);
  Settle();
  taken_ = true;
  OfferModel(10);
  EXPECT_THAT(lost_, IsEmpty());
  Settle();
  EXPECT_THAT(lost_, ElementsAre(Pair(3, HasSubstr("another front"))));
}

TEST_F(LeadershipTest, FrozenItLosesTheTermOnlyWhenItCanHoldNoMore) {
  slow_ = true;
  leadership_.Begin(3);
  leadership_.OnFrozen();  // it is not ready yet
  Settle();
  leadership_.OnFrozen();
  EXPECT_THAT(lost_, IsEmpty());
  OfferModel(20'000);
  leadership_.OnFrozen();
  EXPECT_THAT(lost_, ElementsAre(Pair(3, HasSubstr("holds all that it can"))));
}

}  // namespace
}  // namespace mind::server
