#include "server/queue/job_queue.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

QueuedJob Job(const std::string& id, const std::string& tenant = "a", int priority = 2, double cost = 1) {
  return {.id = id,
          .tenant = tenant,
          .model = "m",
          .priority = priority,
          .picture = {.rows = cost, .row_megapixels = cost / 4, .steps = 10}};
}

QueuedJob Pictures(QueuedJob job, int64_t pictures) {
  job.pictures = pictures;
  return job;
}

std::string First(JobQueue& queue, absl::Time now = kNow) {
  queue.Advance(now);
  for (int priority = 3; priority >= 0; --priority) {
    if (const auto* const first = queue.First("m", priority, 1)) return first->id();
  }
  return "";
}

// A picture of the first job goes to a worker.
std::string TakeFirst(JobQueue& queue) {
  const std::string id = First(queue);
  queue.Take(id);
  return id;
}

std::string Order(JobQueue& queue) {
  std::string order;
  while (queue.size() > 0) order += TakeFirst(queue);
  return order;
}

TEST(JobQueue, IsFirstComeFirstServedForOneTenant) {
  JobQueue queue(Price{.row = 1});
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id));
  EXPECT_EQ(Order(queue), "123");
}

TEST(JobQueue, HigherPriorityGoesFirst) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Job("1", "a", 1));
  queue.Push(Job("2", "a", 3));
  queue.Push(Job("3", "a", 2));
  EXPECT_EQ(Order(queue), "231");
}

TEST(JobQueue, TenantsTakeTurnsHoweverMuchOneSubmits) {
  JobQueue queue(Price{.row = 1});
  for (const char* id : {"1", "2", "3", "4"}) queue.Push(Job(id, "greedy"));
  queue.Push(Job("x", "modest"));
  queue.Push(Job("y", "modest"));
  EXPECT_EQ(Order(queue), "1x2y34");
}

TEST(JobQueue, TenantsShareByCostNotByNumber) {
  JobQueue queue(Price{.row = 1});
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id, "large", 2, 3));
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) queue.Push(Job(id, "small", 2, 1));
  EXPECT_EQ(Order(queue), "1abc2def3");
}

TEST(JobQueue, ATenantThatWasIdleDoesNotSaveUpTurns) {
  JobQueue queue(Price{.row = 1});
  for (int i = 0; i < 5; ++i) {
    queue.Push(Job("w" + std::to_string(i), "busy"));
    TakeFirst(queue);
  }
  for (const char* id : {"1", "2"}) queue.Push(Job(id, "busy"));
  for (const char* id : {"a", "b", "c"}) queue.Push(Job(id, "late"));
  const std::string order = Order(queue);
  EXPECT_LT(order.find('1'), order.find('b')) << order;
}

TEST(JobQueue, ADeadlineWithoutSlackGoesBeforeFairness) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Job("1"));
  QueuedJob later = Job("2");
  later.deadline = kNow + absl::Hours(1);
  queue.Push(later);
  QueuedJob urgent = Job("3");
  urgent.deadline = kNow + absl::Seconds(2);
  queue.Push(urgent);
  QueuedJob most_urgent = Job("4");
  most_urgent.deadline = kNow + absl::Seconds(1);
  queue.Push(most_urgent);
  EXPECT_EQ(Order(queue), "4312");
}

TEST(JobQueue, WorkThatHadBegunGoesFirstInItsClass) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Job("1"));
  queue.Push(Job("2", "a", 3));
  const QueuedJob begun = Pictures(Job("3"), 0);
  queue.SetReturned(begun, {.pictures = 1, .work = {.rows = 1, .steps = 5}});
  EXPECT_EQ(TakeFirst(queue), "2");
  EXPECT_EQ(First(queue), "3");
  EXPECT_EQ(queue.Of("m").steps, 15);
  queue.SetReturned(begun, {});
  EXPECT_EQ(Order(queue), "1");
}

// Its tenant's room is for it first, whatever was let go before.
TEST(JobQueue, WhatIsGivenBackIsHeldNoMore) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Job("1"));
  queue.Push(Pictures(Job("2"), 2));
  queue.Hold("1");
  queue.Hold("2");
  EXPECT_EQ(First(queue), "");
  queue.Release("a");
  EXPECT_EQ(First(queue), "1");
  queue.SetReturned(Pictures(Job("2"), 0), {.pictures = 1, .work = {.rows = 1, .steps = 5}});
  EXPECT_FALSE(queue.IsHeld("2"));
  EXPECT_EQ(First(queue), "2");
  EXPECT_EQ(queue.holding(), 0U);
}

// --- Pictures.

TEST(JobQueue, PicturesOfAJobTakeTurnsWithOtherTenants) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Pictures(Job("L", "large"), 4));
  for (const char* id : {"a", "b", "c"}) queue.Push(Job(id, "small"));
  EXPECT_EQ(Order(queue), "LaLbLcL");
}

TEST(JobQueue, AJobWaitsUntilItsLastPictureIsTaken) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Pictures(Job("1"), 3));
  EXPECT_EQ(queue.Of("m").cost_seconds, 3);
  queue.Take("1");
  EXPECT_EQ(queue.Of("m").cost_seconds, 2);
  queue.Drop("1");
  EXPECT_TRUE(queue.Contains("1"));
  queue.Take("1");
  EXPECT_FALSE(queue.Contains("1"));
  EXPECT_EQ(queue.Of("m").jobs, 0);
}

TEST(JobQueue, ReturnedPicturesGoFirstAndTheOthersKeepTheirTurn) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Pictures(Job("L", "a"), 3));
  for (const char* id : {"x", "y", "z"}) queue.Push(Job(id, "b"));
  EXPECT_EQ(TakeFirst(queue), "L");
  EXPECT_EQ(TakeFirst(queue), "x");
  const QueuedJob large = Pictures(Job("L", "a"), 2);
  queue.SetReturned(large, {.pictures = 1, .work = {.rows = 0.5}});
  EXPECT_EQ(First(queue), "L");
  EXPECT_EQ(queue.Of("m").cost_seconds, 4.5);
  queue.SetReturned(large, {});
  EXPECT_EQ(Order(queue), "LyLz");
}

TEST(JobQueue, ACancelledJobKeepsTheChargeOfWhatHasBegun) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Pictures(Job("1", "a"), 4));
  EXPECT_EQ(TakeFirst(queue), "1");
  EXPECT_EQ(TakeFirst(queue), "1");
  queue.Remove("1");
  queue.Push(Job("2", "a"));
  for (const char* id : {"x", "y", "z"}) queue.Push(Job(id, "b"));
  EXPECT_EQ(Order(queue), "x2yz");
}

// --- Refunds.

TEST(JobQueue, TheLongChainOfATenantMovesUpBeforeItsTurnComes) {
  JobQueue queue(Price{.row = 1});
  for (int i = 0; i < 1000; ++i) queue.Push(Job("a" + std::to_string(i), "a"));
  for (int i = 0; i < 500; ++i) queue.Push(Job("b" + std::to_string(i), "b"));
  for (int i = 0; i < 500; ++i) queue.Remove("a" + std::to_string(i));
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(TakeFirst(queue), "a" + std::to_string(500 + i));
    EXPECT_EQ(TakeFirst(queue), "b" + std::to_string(i));
  }
}

TEST(JobQueue, AJobThatWillNotRunIsNotCharged) {
  JobQueue queue(Price{.row = 1});
  for (int i = 0; i < 20; ++i) queue.Push(Job("x" + std::to_string(i), "changes its mind"));
  queue.Push(Job("y", "patient"));
  queue.Push(Job("z", "patient"));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(queue.Remove("x" + std::to_string(i)));
  queue.Push(Job("a", "changes its mind"));
  EXPECT_EQ(Order(queue), "yaz");
}

TEST(JobQueue, WhatCameAfterAJobThatWillNotRunMovesUp) {
  JobQueue queue(Price{.row = 1});
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id, "a"));
  for (const char* id : {"x", "y", "z"}) queue.Push(Job(id, "b"));
  queue.Remove("1");
  EXPECT_EQ(Order(queue), "2x3yz");
}

TEST(JobQueue, WhatATenantHasRunStaysCharged) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Job("1", "a", 2, 5));
  queue.Push(Job("2", "a", 2, 5));
  EXPECT_EQ(TakeFirst(queue), "1");
  queue.Remove("2");
  queue.Push(Job("3", "a"));
  queue.Push(Job("x", "b"));
  EXPECT_EQ(Order(queue), "x3");
}

// --- Prices.

TEST(JobQueue, TellsWhatARowCostsNow) {
  JobQueue queue(Price{.row = 0.5});
  queue.Push(Job("1", "a", 2, 4));
  EXPECT_EQ(queue.Of("m").cost_seconds, 2);
  queue.SetPrice("m", {.row = 10});
  EXPECT_EQ(queue.Of("m").cost_seconds, 40);
  queue.SetPrice("m", {.row = 10, .row_megapixel = 2});
  EXPECT_EQ(queue.ByModel().at("m").cost_seconds, 42);
}

TEST(JobQueue, ADeadlineThatAPriceMakesUrgentIsSeenAtOnce) {
  JobQueue queue(Price{.row = 1});
  queue.Push(Job("1"));
  QueuedJob late = Job("2");
  late.deadline = kNow + absl::Seconds(20);
  queue.Push(late);
  EXPECT_EQ(First(queue), "1");
  queue.SetPrice("m", {.row = 10});
  EXPECT_EQ(First(queue), "2");
}

TEST(JobQueue, ADeadlineIsNotUrgentYetWhereThePriceHasFallen) {
  JobQueue queue(Price{.row = 10});
  queue.Push(Job("1"));
  QueuedJob late = Job("2");
  late.deadline = kNow + absl::Seconds(40);
  queue.Push(late);
  queue.SetPrice("m", {.row = 1});
  EXPECT_EQ(First(queue, kNow + absl::Seconds(30)), "1");
  EXPECT_EQ(First(queue, kNow + absl::Seconds(38)), "2");
}

TEST(JobQueue, APriceThatRisesAgainIsSeenAfterItHadFallen) {
  JobQueue queue(Price{.row = 10});
  queue.Push(Job("1"));
  QueuedJob late = Job("2");
  late.deadline = kNow + absl::Seconds(40);
  queue.Push(late);
  queue.SetPrice("m", {.row = 1});
  EXPECT_EQ(First(queue, kNow + absl::Seconds(30)), "1");
  queue.SetPrice("m", {.row = 10});
  EXPECT_EQ(First(queue, kNow + absl::Seconds(31)), "2");
}

// --- Offers and sums.

TEST(JobQueue, TellsTheFirstThatAnOfferWouldDoFor) {
  JobQueue queue(Price{.row = 1});
  for (int i = 0; i < 8; ++i) {
    QueuedJob job = Job(std::to_string(i));
    job.offers = i < 4 ? 0b01 : 0b11;
    queue.Push(job);
  }
  EXPECT_EQ(queue.First("m", 2, 0b01)->id(), "0");
  EXPECT_EQ(queue.First("m", 2, 0b10)->id(), "4");
  EXPECT_EQ(JobQueue::Next(*queue.First("m", 2, 0b10), 0b10)->id(), "5");
  EXPECT_EQ(queue.First("m", 2, 0b100), nullptr);
  EXPECT_EQ(queue.First("m", 3, 0b01), nullptr);
  EXPECT_EQ(queue.First("n", 2, 0b01), nullptr);
  queue.SetOffers("2", 0b10);
  EXPECT_EQ(queue.First("m", 2, 0b10)->id(), "2");
}

TEST(JobQueue, TellsWhatIsAheadAndWhatWaits) {
  JobQueue queue(Price{.row = 1});
  const auto all = [](const std::string&) { return 1.0; };
  const auto half = [](const std::string&) { return 0.5; };
  queue.Push(Job("1", "a", 2, 3));
  queue.Push(Job("2", "a", 2, 4));
  EXPECT_EQ(queue.AheadOf("2"), 1);
  EXPECT_EQ(queue.CostAheadOf("2", all), 3);
  EXPECT_EQ(queue.Of("m").steps, 20);
  EXPECT_EQ(queue.CostAheadOf("2", half), 1.5);
  EXPECT_EQ(queue.CostAheadOfNew(2, "a", half), 3.5);
  EXPECT_EQ(queue.CostAheadOfNew(3, "a", half), 0);
  QueuedJob other = Job("3", "b", 3, 5);
  other.model = "n";
  queue.Push(other);
  EXPECT_EQ(queue.AheadOf("2"), 2);
  EXPECT_EQ(queue.CostAheadOf("2", all), 8);
  EXPECT_EQ(queue.CostAheadOfNew(3, "b", all), 5);
  EXPECT_EQ(queue.AheadOf("3"), 0);
  EXPECT_EQ(queue.Waits(2), 2);
  EXPECT_EQ(queue.Waits(3), 1);
  EXPECT_TRUE(queue.Remove("1"));
  EXPECT_FALSE(queue.Remove("1"));
}

TEST(JobQueue, WhatIsAheadOfANewJobIsWhatGoesBeforeItsTenantsTurn) {
  JobQueue queue(Price{.row = 1});
  const auto all = [](const std::string&) { return 1.0; };
  for (int i = 0; i < 100; ++i) queue.Push(Job(absl::StrCat("f", i), "flood"));
  QueuedJob favoured = Job("x", "favoured");
  favoured.weight = 2;
  queue.Push(favoured);
  const auto ahead = [&](const std::string& tenant, int priority = 2) {
    return queue.CostAheadOfNew(priority, tenant, all);
  };
  EXPECT_EQ(ahead("flood"), 101);
  EXPECT_EQ(ahead("modest"), 2);    // at the same time, and came before
  EXPECT_EQ(ahead("favoured"), 2);  // half a turn later
  EXPECT_EQ(ahead("modest", 1), 101);
  EXPECT_EQ(ahead("modest", 3), 0);
  // What has begun is behind; what is given back, or has no slack left, is before.
  EXPECT_EQ(TakeFirst(queue), "f0");
  EXPECT_EQ(TakeFirst(queue), "x");
  EXPECT_EQ(TakeFirst(queue), "f1");
  EXPECT_EQ(ahead("modest"), 0);
  EXPECT_EQ(ahead("favoured"), 0);
  EXPECT_EQ(ahead("flood"), 98);
  queue.SetReturned(Pictures(Job("f0", "flood"), 0), {.pictures = 1, .work = {.rows = 0.5}});
  QueuedJob urgent = Job("urgent", "flood");
  urgent.deadline = kNow;
  queue.Push(urgent);
  queue.Advance(kNow);
  EXPECT_EQ(ahead("modest"), 1.5);
  // And as it stands when it has come.
  queue.Push(Job("y", "modest"));
  EXPECT_EQ(queue.CostAheadOf("y", all), 1.5);
}

}  // namespace
}  // namespace mind::server
