#include "server/queue/job_queue.h"

#include <gtest/gtest.h>

namespace mind::server {
namespace {

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

QueuedJob Job(const std::string& id, const std::string& tenant = "a", int priority = 2, double cost = 1) {
  return {.id = id, .tenant = tenant, .model = "m", .priority = priority, .rows = cost, .steps = 10};
}

std::string TakeFirst(JobQueue& queue) {
  const std::string id = queue.InOrder(kNow).front()->id;
  queue.Take(id);
  return id;
}

std::string Order(JobQueue& queue) {
  std::string order;
  while (queue.size() > 0) order += TakeFirst(queue);
  return order;
}

TEST(JobQueue, IsFirstComeFirstServedForOneTenant) {
  JobQueue queue(1);
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id));
  EXPECT_EQ(Order(queue), "123");
}

TEST(JobQueue, HigherPriorityGoesFirst) {
  JobQueue queue(1);
  queue.Push(Job("1", "a", 1));
  queue.Push(Job("2", "a", 3));
  queue.Push(Job("3", "a", 2));
  EXPECT_EQ(Order(queue), "231");
}

TEST(JobQueue, TenantsTakeTurnsHoweverMuchOneSubmits) {
  JobQueue queue(1);
  for (const char* id : {"1", "2", "3", "4"}) queue.Push(Job(id, "greedy"));
  queue.Push(Job("x", "modest"));
  queue.Push(Job("y", "modest"));
  EXPECT_EQ(Order(queue), "1x2y34");
}

TEST(JobQueue, TenantsShareByCostNotByNumber) {
  JobQueue queue(1);
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id, "large", 2, 3));
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) queue.Push(Job(id, "small", 2, 1));
  EXPECT_EQ(Order(queue), "1abc2def3");
}

TEST(JobQueue, ATenantThatWasIdleDoesNotSaveUpTurns) {
  JobQueue queue(1);
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
  JobQueue queue(1);
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
  JobQueue queue(1);
  queue.Push(Job("1"));
  queue.Push(Job("2", "a", 3));
  queue.PushToHead(Job("3"));
  EXPECT_EQ(Order(queue), "231");
}

TEST(JobQueue, AJobThatWillNotRunIsNotCharged) {
  JobQueue queue(1);
  for (int i = 0; i < 20; ++i) queue.Push(Job("x" + std::to_string(i), "changes its mind"));
  queue.Push(Job("y", "patient"));
  queue.Push(Job("z", "patient"));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(queue.Remove("x" + std::to_string(i)));
  queue.Push(Job("a", "changes its mind"));
  EXPECT_EQ(Order(queue), "yaz");
}

TEST(JobQueue, WhatCameAfterAJobThatWillNotRunMovesUp) {
  JobQueue queue(1);
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id, "a"));
  for (const char* id : {"x", "y", "z"}) queue.Push(Job(id, "b"));
  queue.Remove("1");
  EXPECT_EQ(Order(queue), "2x3yz");
}

TEST(JobQueue, WhatATenantHasRunStaysCharged) {
  JobQueue queue(1);
  queue.Push(Job("1", "a", 2, 5));
  queue.Push(Job("2", "a", 2, 5));
  EXPECT_EQ(TakeFirst(queue), "1");
  queue.Remove("2");
  queue.Push(Job("3", "a"));
  queue.Push(Job("x", "b"));
  EXPECT_EQ(Order(queue), "x3");
}

TEST(JobQueue, TellsWhatARowCostsNow) {
  JobQueue queue(0.5);
  queue.Push(Job("1", "a", 2, 4));
  EXPECT_EQ(queue.ByModel().at("m").cost_seconds, 2);
  queue.SetRowSeconds("m", 10);
  EXPECT_EQ(queue.ByModel().at("m").cost_seconds, 40);
  // Whether a deadline leaves slack follows.
  QueuedJob late = Job("2", "a", 2, 1);
  late.deadline = kNow + absl::Seconds(20);
  queue.Push(late);
  EXPECT_EQ(queue.InOrder(kNow).front()->id, "2");
  queue.SetRowSeconds("m", 1);
  EXPECT_EQ(queue.InOrder(kNow).front()->id, "1");
}

TEST(JobQueue, TellsWhatIsAheadAndWhatWaits) {
  JobQueue queue(1);
  queue.Push(Job("1", "a", 2, 3));
  queue.Push(Job("2", "a", 2, 4));
  EXPECT_EQ(queue.AheadOf("2", kNow).jobs, 1);
  EXPECT_EQ(queue.AheadOf("2", kNow).cost_seconds, 3);
  EXPECT_EQ(queue.ByModel().at("m").steps, 20);
  const auto half = [](const QueuedJob&) { return 0.5; };
  EXPECT_EQ(queue.AheadOf("2", kNow, half).cost_seconds, 1.5);
  EXPECT_EQ(queue.CostSeconds(2, half), 3.5);
  EXPECT_EQ(queue.CostSeconds(3, half), 0);
  EXPECT_EQ(queue.highest_priority(), 2);
  EXPECT_TRUE(queue.Remove("1"));
  EXPECT_FALSE(queue.Remove("1"));
}

}  // namespace
}  // namespace mind::server
