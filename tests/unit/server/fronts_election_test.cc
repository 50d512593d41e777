// Elections of several fronts over one row, each on a clock of its own.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "server/cluster/election.h"

namespace mind::server {
namespace {

constexpr absl::Duration kVotersLease = absl::Seconds(5);

// One front on a clock of its own.
struct Voter {
  Voter(const std::string& name, double its_rate, absl::Duration its_start)
      : rate(its_rate),
        start(its_start),
        election({.holder = name, .address = name, .lease = kVotersLease}) {}

  const double rate;  // of its clock
  const absl::Duration start;
  Election election;
  bool reaches_database = true;
  std::optional<uint64_t> leads;
};

class FrontsElectionTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, double rate) {
    fronts_[name] = std::make_unique<Voter>(name, rate, absl::Hours(static_cast<int>(random_() % 100'000)));
  }
  absl::Duration NowOf(const Voter& front) const { return front.start + now_ * front.rate; }

  void Carry(Voter& front, ElectionActions actions) {
    while (!actions.empty()) {
      ElectionActions more;
      for (const ElectionAction& action : actions) {
        for (ElectionAction& next : Do(front, action)) more.push_back(std::move(next));
      }
      actions = std::move(more);
    }
  }
  ElectionActions Do(Voter& front, const ElectionAction& action) {
    const absl::Duration now = NowOf(front);
    if (const auto* lead = std::get_if<LeadTerm>(&action)) {
      EXPECT_TRUE(terms_.insert({lead->term, &front}).second) << "a term was led twice";
      front.leads = lead->term;
      return {};
    }
    if (std::holds_alternative<StepDown>(action)) front.leads.reset();
    const bool asks = std::holds_alternative<ReadRow>(action) || std::holds_alternative<TakeTerm>(action) ||
                      std::holds_alternative<RenewTerm>(action);
    if (asks && !front.reaches_database) return front.election.OnNoAnswer(now);
    if (std::holds_alternative<ReadRow>(action)) return front.election.OnRow(row_, now);
    if (const auto* take = std::get_if<TakeTerm>(&action)) {
      if (row_ != take->seen) return front.election.OnTaken(std::nullopt, now);
      const std::string name = NameOf(front);
      row_ = {row_.term + 1, name, name, 0};
      return front.election.OnTaken(row_.term, now);
    }
    if (const auto* renew = std::get_if<RenewTerm>(&action)) {
      const bool ours = row_.term == renew->term && row_.holder == NameOf(front);
      if (ours) ++row_.beat;
      return front.election.OnRenewed(ours, now);
    }
    if (const auto* up = std::get_if<GiveUpTerm>(&action)) {
      if (row_.term == up->term && row_.holder == NameOf(front)) row_.holder.clear();
    }
    return {};
  }
  std::string NameOf(const Voter& front) const {
    for (const auto& [name, one] : fronts_) {
      if (one.get() == &front) return name;
    }
    return "";
  }
  void Pass(absl::Duration time) {
    for (const absl::Duration end = now_ + time; now_ < end; now_ += absl::Milliseconds(100)) {
      for (auto& [name, front] : fronts_) Carry(*front, front->election.OnTick(NowOf(*front)));
    }
  }
  int Leaders() const {
    int leaders = 0;
    for (const auto& [name, front] : fronts_) leaders += front->leads.has_value() ? 1 : 0;
    return leaders;
  }
  Voter& Leader() {
    for (auto& [name, front] : fronts_) {
      if (front->leads) return *front;
    }
    ADD_FAILURE() << "nobody leads";
    return *fronts_.begin()->second;
  }

  std::mt19937 random_{1};
  absl::Duration now_ = absl::ZeroDuration();
  TermRow row_;
  std::map<std::string, std::unique_ptr<Voter>> fronts_;
  std::map<uint64_t, Voter*> terms_;
};

TEST_F(FrontsElectionTest, OneLeadsForGoodHoweverTheirClocksRun) {
  Add("a", 1);
  Add("b", 2.5);
  Add("c", 0.4);
  Pass(absl::Seconds(10));
  ASSERT_EQ(Leaders(), 1);
  Voter& leader = Leader();
  Pass(absl::Hours(1));
  EXPECT_EQ(&Leader(), &leader);
  EXPECT_EQ(Leaders(), 1);
}

TEST_F(FrontsElectionTest, AClockSoSlowThatItsLeaderSeemsDeadCostsALeaderAndNoMore) {
  Add("fast", 30);
  Add("slow", 0.1);
  Pass(absl::Hours(1));
  EXPECT_EQ(fronts_.at("fast")->leads, row_.term);
}

TEST_F(FrontsElectionTest, WhenTheLeaderIsCutOffAnotherLeadsWithinTwoLeases) {
  for (const char* const name : {"a", "b", "c"}) Add(name, 1);
  Pass(absl::Seconds(10));
  Voter& first = Leader();
  first.reaches_database = false;
  Pass(kVotersLease * 2);
  EXPECT_EQ(row_.term, 2U);
  EXPECT_NE(row_.holder, NameOf(first));
  // It hears of it from any other front.
  Carry(first, first.election.OnHigherTerm(2, "", NowOf(first)));
  EXPECT_EQ(Leaders(), 1);
}

TEST_F(FrontsElectionTest, WhenNobodyReachesTheDatabaseTheLeaderStaysAndKeepsItsTerm) {
  for (const char* const name : {"a", "b", "c"}) Add(name, 1);
  Pass(absl::Seconds(10));
  for (auto& [name, front] : fronts_) front->reaches_database = false;
  Pass(absl::Seconds(30));
  for (auto& [name, front] : fronts_) front->reaches_database = true;
  Pass(absl::Seconds(30));
  EXPECT_EQ(row_.term, 1U);
  EXPECT_EQ(Leaders(), 1);
}

TEST_F(FrontsElectionTest, WhenTheLeaderRetiresAnotherLeadsWithinASecondOrSo) {
  for (const char* const name : {"a", "b"}) Add(name, 1);
  Pass(absl::Seconds(10));
  Voter& first = Leader();
  Carry(first, first.election.Retire());
  Pass(absl::Milliseconds(1200));
  EXPECT_EQ(Leaders(), 1);
  EXPECT_NE(&Leader(), &first);
}

}  // namespace
}  // namespace mind::server
