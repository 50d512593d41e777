// A front by itself, on a clock that runs as a test says.
#include "server/cluster/election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kLease = absl::Seconds(5);

// What is to be done, in words.
std::string NameOf(const ElectionAction& action) {
  struct {
    std::string operator()(const ReadRow&) { return "read"; }
    std::string operator()(const TakeTerm& take) { return "take after " + std::to_string(take.seen.term); }
    std::string operator()(const RenewTerm& renew) { return "renew " + std::to_string(renew.term); }
    std::string operator()(const LeadTerm& lead) { return "lead " + std::to_string(lead.term); }
    std::string operator()(const StepDown& down) { return "step down " + std::to_string(down.term); }
    std::string operator()(const GiveUpTerm& up) { return "give up " + std::to_string(up.term); }
    std::string operator()(const Follow& follow) { return "follow " + follow.address; }
    std::string operator()(const Freeze&) { return "freeze"; }
    std::string operator()(const Thaw&) { return "thaw"; }
  } name;
  return std::visit(name, action);
}

class ElectionTest : public ::testing::Test {
 protected:
  using Names = std::vector<std::string>;

  static Names NamesOf(const ElectionActions& actions) {
    Names names;
    for (const ElectionAction& action : actions) names.push_back(NameOf(action));
    return names;
  }
  Names Tick(absl::Duration later = absl::Seconds(1)) {
    now_ += later;
    return NamesOf(election_.OnTick(now_));
  }
  Names Row(const TermRow& row) { return NamesOf(election_.OnRow(row, now_)); }
  Names Taken(std::optional<uint64_t> term) { return NamesOf(election_.OnTaken(term, now_)); }
  Names Renewed(bool still_ours) { return NamesOf(election_.OnRenewed(still_ours, now_)); }
  Names NoAnswer() { return NamesOf(election_.OnNoAnswer(now_)); }
  // Another front's row.
  static TermRow Others(uint64_t term, uint64_t beat) { return {term, "other", "there", beat}; }

  void BecomeLeader(uint64_t term = 1) {
    Tick();
    Row({term - 1, "", "", 0});
    ASSERT_THAT(Taken(term), ElementsAre("lead " + std::to_string(term)));
  }

  absl::Duration now_ = absl::Hours(100);
  Election election_{{.holder = "me", .address = "here", .lease = kLease}};
};

TEST_F(ElectionTest, AFreeTermIsTakenAtOnce) {
  EXPECT_THAT(Tick(), ElementsAre("read"));
  EXPECT_THAT(Row({0, "", "", 0}), ElementsAre("take after 0"));
  EXPECT_THAT(Taken(1), ElementsAre("lead 1"));
  EXPECT_EQ(election_.leads(), 1U);
}

TEST_F(ElectionTest, ARowThatMovesIsNeverTaken) {
  Tick();
  EXPECT_THAT(Row(Others(3, 0)), ElementsAre("follow there"));
  for (uint64_t beat = 1; beat < 100; ++beat) {
    EXPECT_THAT(Tick(), ElementsAre("read"));
    EXPECT_THAT(Row(Others(3, beat)), IsEmpty());
  }
}

TEST_F(ElectionTest, ARowThatStandsStillIsTakenAfterALeaseAndNotBefore) {
  Tick();
  Row(Others(3, 7));
  for (int second = 1; second < 5; ++second) {
    EXPECT_THAT(Tick(), ElementsAre("read"));
    EXPECT_THAT(Row(Others(3, 7)), IsEmpty()) << second;
  }
  Tick();
  EXPECT_THAT(Row(Others(3, 7)), ElementsAre("take after 3"));
}

TEST_F(ElectionTest, AnyChangeOfTheRowBeginsTheCountAnew) {
  Tick();
  Row(Others(3, 7));
  Tick(absl::Seconds(4));
  Row(Others(3, 8));
  Tick(absl::Seconds(4));
  EXPECT_THAT(Row(Others(3, 8)), IsEmpty());
  Tick(absl::Milliseconds(1000));
  EXPECT_THAT(Row(Others(3, 8)), ElementsAre("take after 3"));
}

TEST_F(ElectionTest, ABeatThatGoesBackIsAChangeToo) {
  Tick();
  Row(Others(3, 7));
  Tick(absl::Seconds(4));
  Row(Others(3, 0));
  Tick(absl::Seconds(4));
  EXPECT_THAT(Row(Others(3, 0)), IsEmpty());
}

TEST_F(ElectionTest, AfterAnOutageTheLeaderHasAWholeLeaseToBeHeard) {
  Tick();
  Row(Others(3, 7));
  for (int second = 0; second < 100; ++second) {
    EXPECT_THAT(Tick(), ElementsAre("read"));
    EXPECT_THAT(NoAnswer(), IsEmpty());
  }
  Tick();
  EXPECT_THAT(Row(Others(3, 7)), IsEmpty());
  Tick(absl::Seconds(4));
  EXPECT_THAT(Row(Others(3, 7)), IsEmpty());
  Tick();
  EXPECT_THAT(Row(Others(3, 7)), ElementsAre("take after 3"));
}

TEST_F(ElectionTest, OneQuestionAtATime) {
  EXPECT_THAT(Tick(), ElementsAre("read"));
  EXPECT_THAT(Tick(absl::Minutes(10)), IsEmpty());
  Row(Others(1, 1));
  EXPECT_THAT(Tick(), ElementsAre("read"));
}

TEST_F(ElectionTest, WhoIsLateLooksWhoWasFaster) {
  Tick();
  EXPECT_THAT(Row({4, "", "", 0}), ElementsAre("take after 4"));
  EXPECT_THAT(Taken(std::nullopt), IsEmpty());
  EXPECT_THAT(Tick(absl::ZeroDuration()), ElementsAre("read"));
  EXPECT_THAT(Row(Others(5, 0)), ElementsAre("follow there"));
}

TEST_F(ElectionTest, ATryWithoutAnAnswerIsFoundAsOnesOwnRowAndTakenAgain) {
  Tick();
  Row({4, "", "", 0});
  EXPECT_THAT(NoAnswer(), IsEmpty());
  Tick();
  EXPECT_THAT(Row({5, "me", "here", 0}), ElementsAre("take after 5"));
  EXPECT_THAT(Taken(6), ElementsAre("lead 6"));
}

TEST_F(ElectionTest, ALeaderRenewsSeveralTimesALease) {
  BecomeLeader();
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Tick(), ElementsAre("renew 1"));
    EXPECT_THAT(Renewed(true), IsEmpty());
  }
}

TEST_F(ElectionTest, AShortLeaseIsRenewedMoreOften) {
  Election election({.holder = "me", .address = "here", .lease = absl::Milliseconds(500)});
  EXPECT_EQ(NamesOf(election.OnTick(absl::ZeroDuration())), Names{"read"});
  election.OnRow({0, "", "", 0}, absl::ZeroDuration());
  election.OnTaken(1, absl::ZeroDuration());
  EXPECT_EQ(NamesOf(election.OnTick(absl::Milliseconds(100))), Names{"renew 1"});
}

TEST_F(ElectionTest, ALostTermIsNotLedAMomentLonger) {
  BecomeLeader();
  Tick();
  EXPECT_THAT(Renewed(false), ElementsAre("step down 1"));
  EXPECT_EQ(election_.leads(), std::nullopt);
  EXPECT_THAT(Tick(absl::ZeroDuration()), ElementsAre("read"));
  EXPECT_THAT(Row(Others(2, 0)), ElementsAre("follow there"));
}

TEST_F(ElectionTest, WithoutAnAnswerALeaderFreezesAndThawsWhenItHearsThatTheTermStands) {
  BecomeLeader();
  Tick();
  EXPECT_THAT(NoAnswer(), ElementsAre("freeze"));
  Tick();
  EXPECT_THAT(NoAnswer(), IsEmpty());
  EXPECT_TRUE(election_.frozen());
  EXPECT_EQ(election_.leads(), 1U);
  Tick();
  EXPECT_THAT(Renewed(true), ElementsAre("thaw"));
  EXPECT_FALSE(election_.frozen());
}

TEST_F(ElectionTest, ADatabaseThatHangsFreezesToo) {
  BecomeLeader();
  EXPECT_THAT(Tick(), ElementsAre("renew 1"));
  EXPECT_THAT(Tick(absl::Seconds(3)), IsEmpty());
  EXPECT_THAT(Tick(absl::Seconds(1)), ElementsAre("freeze"));
  EXPECT_THAT(Renewed(true), ElementsAre("thaw"));
}

TEST_F(ElectionTest, AFrozenLeaderGivesUpWhenItsPatienceIsAtAnEnd) {
  BecomeLeader();
  for (int second = 1; second < 60; ++second) {
    Tick();
    NoAnswer();
    ASSERT_EQ(election_.leads(), 1U) << second;
  }
  EXPECT_THAT(Tick(), ElementsAre("step down 1", "read"));
}

TEST_F(ElectionTest, OneAnswerBeginsThePatienceAnew) {
  BecomeLeader();
  Tick(absl::Seconds(59));
  Renewed(true);
  Tick(absl::Seconds(59));
  NoAnswer();
  EXPECT_EQ(election_.leads(), 1U);
}

TEST_F(ElectionTest, ALeaderThatWasStoppedForLongAsksBeforeItBelievesAnything) {
  BecomeLeader();
  EXPECT_THAT(Tick(absl::Seconds(20)), ElementsAre("freeze", "renew 1"));
  EXPECT_THAT(Renewed(false), ElementsAre("step down 1"));
}

TEST_F(ElectionTest, AHigherTermEndsALeaderAndOneThatIsNotHigherDoesNot) {
  BecomeLeader(7);
  EXPECT_THAT(NamesOf(election_.OnHigherTerm(6, "", now_)), IsEmpty());
  EXPECT_THAT(NamesOf(election_.OnHigherTerm(7, "there", now_)), IsEmpty());
  EXPECT_THAT(NamesOf(election_.OnHigherTerm(8, "", now_)), ElementsAre("step down 7"));
}

TEST_F(ElectionTest, OneThatFollowsLooksAtOnceWhenItHearsOfATerm) {
  Tick();
  Row(Others(3, 0));
  EXPECT_THAT(Tick(absl::Milliseconds(100)), IsEmpty());
  EXPECT_THAT(NamesOf(election_.OnHigherTerm(4, "", now_)), IsEmpty());
  EXPECT_THAT(Tick(absl::ZeroDuration()), ElementsAre("read"));
}

TEST_F(ElectionTest, ALeaderThatCannotReadTheRowFollowsWhoItIsToldOf) {
  BecomeLeader(7);
  Tick();
  NoAnswer();
  EXPECT_THAT(NamesOf(election_.OnHigherTerm(8, "there", now_)), ElementsAre("step down 7", "follow there"));
  EXPECT_THAT(NamesOf(election_.OnHigherTerm(8, "there", now_)), IsEmpty());
  // It is no news when it can read again.
  Tick();
  NoAnswer();
  Tick();
  EXPECT_THAT(Row({8, "other", "there", 3}), IsEmpty());
}

TEST_F(ElectionTest, AnAnswerToAnEarlierLeaderIsNoneToALaterOne) {
  BecomeLeader();
  EXPECT_THAT(Tick(), ElementsAre("renew 1"));
  EXPECT_THAT(NamesOf(election_.OnHigherTerm(2, "", now_)), ElementsAre("step down 1"));
  EXPECT_THAT(Renewed(true), IsEmpty());
  EXPECT_EQ(election_.leads(), std::nullopt);
}

TEST_F(ElectionTest, ARefusedWriteEndsTheTermItWasOfAndNoOther) {
  BecomeLeader(3);
  EXPECT_THAT(NamesOf(election_.OnLost(2, "")), IsEmpty());
  EXPECT_THAT(NamesOf(election_.OnLost(3, "")), ElementsAre("step down 3", "give up 3"));
  EXPECT_THAT(NamesOf(election_.OnLost(3, "")), IsEmpty());
}

TEST_F(ElectionTest, WhoRetiresGivesTheTermUpAndTakesNoneAgain) {
  BecomeLeader();
  EXPECT_THAT(NamesOf(election_.Retire()), ElementsAre("step down 1", "give up 1"));
  EXPECT_THAT(Tick(), ElementsAre("read"));
  EXPECT_THAT(Row({1, "", "", 0}), IsEmpty());
  Tick(absl::Hours(1));
  EXPECT_THAT(Row({1, "", "", 0}), IsEmpty());
  // But it says who leads.
  Tick();
  EXPECT_THAT(Row(Others(2, 0)), ElementsAre("follow there"));
}

TEST_F(ElectionTest, ATermThatComesWhenTheFrontHasRetiredIsGivenUp) {
  Tick();
  EXPECT_THAT(Row({1, "", "", 0}), ElementsAre("take after 1"));
  EXPECT_THAT(NamesOf(election_.Retire()), IsEmpty());
  EXPECT_THAT(Taken(2), ElementsAre("give up 2"));
  EXPECT_EQ(election_.leads(), std::nullopt);
}

TEST_F(ElectionTest, NumbersThatTheDatabaseGivesOutTwiceArePassedOver) {
  BecomeLeader(7);
  Tick();
  Renewed(false);
  Tick();
  // A standby that has not seen term 7 has been made the database.
  EXPECT_THAT(Row({6, "", "", 0}), ElementsAre("take after 6"));
  EXPECT_THAT(Taken(7), ElementsAre("take after 7"));
  EXPECT_THAT(Taken(8), ElementsAre("lead 8"));
}

TEST_F(ElectionTest, WhoLeadsIsSaidWhenItChangesAndOnlyThen) {
  Tick();
  EXPECT_THAT(Row(Others(3, 0)), ElementsAre("follow there"));
  Tick();
  EXPECT_THAT(Row(Others(3, 1)), IsEmpty());
  Tick();
  EXPECT_THAT(Row({4, "third", "elsewhere", 0}), ElementsAre("follow elsewhere"));
  Tick();
  EXPECT_THAT(Row({4, "", "elsewhere", 0}), ElementsAre("follow ", "take after 4"));
  Taken(std::nullopt);
  Tick();
  EXPECT_THAT(Row(Others(5, 0)), ElementsAre("follow there"));
}

TEST_F(ElectionTest, WhoLedAndFollowsTheSameAgainIsTold) {
  Tick();
  Row(Others(1, 0));
  Tick(absl::Seconds(6));
  Row(Others(1, 0));
  Taken(2);
  Tick();
  Renewed(false);
  Tick();
  EXPECT_THAT(Row({3, "other", "there", 0}), ElementsAre("follow there"));
}

}  // namespace
}  // namespace mind::server
