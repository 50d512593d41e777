#include "server/queue/job_queue.h"

#include <gtest/gtest.h>

namespace mind::server {
namespace {

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

QueuedJob Job(const std::string& id, const std::string& tenant = "a", int priority = 2, double cost = 1) {
  return {.id = id, .tenant = tenant, .model = "m", .priority = priority, .cost_seconds = cost, .steps = 10};
}

std::string Order(JobQueue& queue) {
  std::string order;
  while (const auto job = queue.Pop(kNow, [](const QueuedJob&) { return true; })) order += job->id;
  return order;
}

TEST(JobQueue, IsFirstComeFirstServedForOneTenant) {
  JobQueue queue;
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id));
  EXPECT_EQ(Order(queue), "123");
}

TEST(JobQueue, HigherPriorityGoesFirst) {
  JobQueue queue;
  queue.Push(Job("1", "a", 1));
  queue.Push(Job("2", "a", 3));
  queue.Push(Job("3", "a", 2));
  EXPECT_EQ(Order(queue), "231");
}

TEST(JobQueue, TenantsTakeTurnsHoweverMuchOneSubmits) {
  JobQueue queue;
  for (const char* id : {"1", "2", "3", "4"}) queue.Push(Job(id, "greedy"));
  queue.Push(Job("x", "modest"));
  queue.Push(Job("y", "modest"));
  EXPECT_EQ(Order(queue), "1x2y34");
}

TEST(JobQueue, TenantsShareByCostNotByNumber) {
  JobQueue queue;
  for (const char* id : {"1", "2", "3"}) queue.Push(Job(id, "large", 2, 3));
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) queue.Push(Job(id, "small", 2, 1));
  EXPECT_EQ(Order(queue), "1abc2def3");
}

TEST(JobQueue, ATenantThatWasIdleDoesNotSaveUpTurns) {
  JobQueue queue;
  for (int i = 0; i < 5; ++i) {
    queue.Push(Job("w" + std::to_string(i), "busy"));
    queue.Pop(kNow, [](const QueuedJob&) { return true; });
  }
  for (const char* id : {"1", "2"}) queue.Push(Job(id, "busy"));
  for (const char* id : {"a", "b", "c"}) queue.Push(Job(id, "late"));
  const std::string order = Order(queue);
  EXPECT_LT(order.find('1'), order.find('b')) << order;
}

TEST(JobQueue, ADeadlineWithoutSlackGoesBeforeFairness) {
  JobQueue queue;
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
  JobQueue queue;
  queue.Push(Job("1"));
  queue.Push(Job("2", "a", 3));
  queue.PushToHead(Job("3"));
  EXPECT_EQ(Order(queue), "231");
}

TEST(JobQueue, PassesOverJobsThatDoNotFit) {
  JobQueue queue;
  queue.Push(Job("1"));
  queue.Push(Job("2"));
  const auto job = queue.Pop(kNow, [](const QueuedJob& candidate) { return candidate.id == "2"; });
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->id, "2");
  EXPECT_FALSE(queue.Pop(kNow, [](const QueuedJob&) { return false; }).has_value());
  EXPECT_EQ(queue.size(), 1U);
}

TEST(JobQueue, TellsWhatIsAheadAndWhatWaits) {
  JobQueue queue;
  queue.Push(Job("1", "a", 2, 3));
  queue.Push(Job("2", "a", 2, 4));
  EXPECT_EQ(queue.AheadOf("2", kNow).jobs, 1);
  EXPECT_EQ(queue.AheadOf("2", kNow).cost_seconds, 3);
  EXPECT_EQ(queue.ByModel().at("m").steps, 20);
  EXPECT_EQ(queue.total_cost_seconds(), 7);
  EXPECT_TRUE(queue.Remove("1"));
  EXPECT_FALSE(queue.Remove("1"));
}

}  // namespace
}  // namespace mind::server
