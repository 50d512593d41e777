#include "server/generation/job_feed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

v1::JobEvent Progress(uint32_t step, uint32_t image = 0) {
  v1::JobEvent event;
  event.mutable_progress()->set_step(step);
  event.mutable_progress()->set_image_index(image);
  return event;
}
v1::JobEvent Preview(uint32_t step) {
  v1::JobEvent event;
  event.mutable_preview()->set_step(step);
  return event;
}
v1::JobEvent Started() {
  v1::JobEvent event;
  event.mutable_started()->set_attempt(1);
  return event;
}
v1::JobEvent Completed(absl::Time time) {
  v1::JobEvent event;
  *event.mutable_completed()->mutable_job()->mutable_end_time() = ToTimestamp(time);
  return event;
}

// For jobs with few watchers, who are told at once.
const Post kNever = [](std::function<void()>) { ADD_FAILURE() << "posted"; };

TEST(JobFeed, TellsEverythingInOrder) {
  JobFeeds feeds(100, kNever);
  int told = 0;
  const WatchId watch = feeds.Watch("j", 0, [&told] { ++told; });
  feeds.Publish("j", Started());
  feeds.Publish("j", Progress(1));
  EXPECT_EQ(told, 2);
  const JobEventPtr first = feeds.Next(watch);
  const JobEventPtr second = feeds.Next(watch);
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_TRUE(first->has_started());
  EXPECT_TRUE(second->has_progress());
  EXPECT_EQ(first->sequence(), 101U);
  EXPECT_EQ(second->sequence(), 102U);
  EXPECT_EQ(first->job_id(), "j");
  EXPECT_EQ(feeds.Next(watch), nullptr);
}

TEST(JobFeed, ASlowWatcherSkipsToTheNewestButMissesNothingThatMatters) {
  JobFeeds feeds(0, kNever);
  const WatchId watch = feeds.Watch("j", 0, [] {});
  feeds.Publish("j", Started());
  for (uint32_t step = 1; step <= 50; ++step) {
    feeds.Publish("j", Progress(step));
    feeds.Publish("j", Preview(step));
  }
  feeds.Publish("j", Completed(absl::Now()));
  EXPECT_TRUE(feeds.Next(watch)->has_started());
  EXPECT_EQ(feeds.Next(watch)->progress().step(), 50U);
  EXPECT_EQ(feeds.Next(watch)->preview().step(), 50U);
  EXPECT_TRUE(feeds.Next(watch)->has_completed());
  EXPECT_EQ(feeds.TakeDroppedPreviews(), 49);
}

TEST(JobFeed, PicturesHaveSlotsOfTheirOwn) {
  JobFeeds feeds(0, kNever);
  const WatchId watch = feeds.Watch("j", 0, [] {});
  feeds.Publish("j", Progress(1, 0));
  feeds.Publish("j", Progress(2, 1));
  EXPECT_EQ(feeds.Next(watch)->progress().step(), 1U);
  EXPECT_EQ(feeds.Next(watch)->progress().step(), 2U);
}

TEST(JobFeed, AWatchIsTakenUpAgainFromASequence) {
  JobFeeds feeds(0, kNever);
  feeds.Publish("j", Started());
  feeds.Publish("j", Progress(1));
  bool news = false;
  const WatchId watch = feeds.Watch("j", 1, [&news] { news = true; });
  EXPECT_TRUE(news);
  EXPECT_TRUE(feeds.Next(watch)->has_progress());
  bool none = false;
  feeds.Watch("j", 2, [&none] { none = true; });
  EXPECT_FALSE(none);
}

TEST(JobFeed, NumbersOfOneJobSayNothingOfOthers) {
  JobFeeds feeds(100, kNever);
  for (int i = 0; i < 5; ++i) feeds.Publish("busy", Started());
  feeds.Publish("j", Started());
  EXPECT_EQ(feeds.Next(feeds.Watch("j", 0, [] {}))->sequence(), 101U);
}

TEST(JobFeed, EventsOfEarlierRunsKeepTheirNumbersAndNewOnesGoAbove) {
  JobFeeds feeds(100, kNever);
  feeds.PublishAt("j", 7, Started());
  feeds.Publish("j", Progress(1));
  const WatchId watch = feeds.Watch("j", 0, [] {});
  EXPECT_EQ(feeds.Next(watch)->sequence(), 7U);
  EXPECT_EQ(feeds.Next(watch)->sequence(), 101U);
  feeds.PublishAt("later", 250, Started());  // of a run with a higher base
  EXPECT_GT(feeds.Reserve("later"), 250U);
}

TEST(JobFeed, NewsWhileAFactIsBeingWrittenDoNotCarryAWatcherPastIt) {
  JobFeeds feeds(100, kNever);
  feeds.Publish("j", Started());
  const uint64_t first = feeds.Reserve("j"), second = feeds.Reserve("j");
  EXPECT_LT(first, second);
  const WatchId watch = feeds.Watch("j", 0, [] {});
  for (uint32_t step = 1; step <= 3; ++step) feeds.Publish("j", Progress(step));
  EXPECT_TRUE(feeds.Next(watch)->has_started());
  EXPECT_EQ(feeds.Next(watch)->progress().step(), 3U);
  v1::JobEvent picture;
  picture.mutable_image()->set_image_index(0);
  feeds.PublishAt("j", first, picture);
  feeds.Publish("j", Progress(4));
  feeds.PublishAt("j", second, picture);
  EXPECT_EQ(feeds.Next(watch)->sequence(), first);
  EXPECT_EQ(feeds.Next(watch)->progress().step(), 4U);
  EXPECT_EQ(feeds.Next(watch)->sequence(), second);
  EXPECT_EQ(feeds.Next(watch), nullptr);
}

TEST(JobFeed, NewsForWhichNoNumberIsLeftAreNotTold) {
  JobFeeds feeds(0, kNever);
  const uint64_t fact = feeds.Reserve("j");
  feeds.PublishAt("j", fact - 1, Started());
  feeds.Publish("j", Progress(1));
  const WatchId watch = feeds.Watch("j", 0, [] {});
  EXPECT_TRUE(feeds.Next(watch)->has_started());
  EXPECT_EQ(feeds.Next(watch), nullptr);
}

TEST(JobFeed, AWatchHasEndedAfterTheLastEvent) {
  JobFeeds feeds(0, kNever);
  const WatchId watch = feeds.Watch("j", 0, [] {});
  feeds.Publish("j", Completed(absl::Now()));
  EXPECT_FALSE(feeds.Ended(watch));
  EXPECT_TRUE(feeds.Next(watch)->has_completed());
  EXPECT_TRUE(feeds.Ended(watch));
  bool told = false;
  const WatchId late = feeds.Watch("j", 1, [&told] { told = true; });
  EXPECT_TRUE(told);
  EXPECT_TRUE(feeds.Ended(late));
}

TEST(JobFeed, AWatcherMayLeaveWhileBeingTold) {
  JobFeeds feeds(0, kNever);
  WatchId watch = 0;
  watch = feeds.Watch("j", 0, [&] { feeds.Unwatch(watch); });
  feeds.Watch("j", 0, [] {});
  feeds.Publish("j", Started());
  EXPECT_EQ(feeds.watchers(), 1U);
  EXPECT_EQ(feeds.Next(watch), nullptr);
}

TEST(JobFeed, ManyWatchersAreToldAFewAtATimeAndOnceOfAllThatHasComeMeanwhile) {
  constexpr int kWatchers = 1000;
  std::deque<std::function<void()>> posted;
  JobFeeds feeds(0, [&posted](std::function<void()> work) { posted.push_back(std::move(work)); });
  int told = 0;
  for (int i = 0; i < kWatchers; ++i) feeds.Watch("j", 0, [&told] { ++told; });
  feeds.Publish("j", Progress(1));
  EXPECT_GT(told, 0);
  int most = told;
  for (uint32_t step = 2; step <= 20; ++step)
    feeds.Publish("j", Progress(step));  // while they are being told
  EXPECT_EQ(posted.size(), 1U);
  while (!posted.empty()) {
    const int before = told;
    const std::function<void()> next = std::move(posted.front());
    posted.pop_front();
    next();
    most = std::max(most, told - before);
  }
  EXPECT_EQ(told, 2 * kWatchers);
  EXPECT_LE(most, kWatchers / 4);
  feeds.Publish("j", Progress(21));
  EXPECT_EQ(posted.size(), 1U);
}

TEST(JobFeed, AllWatchersOfAllJobsAreToldAFewAtATime) {
  constexpr int kWatchers = 1000;
  std::deque<std::function<void()>> posted;
  JobFeeds feeds(0, [&posted](std::function<void()> work) { posted.push_back(std::move(work)); });
  int told = 0;
  for (int i = 0; i < kWatchers; ++i) feeds.Watch(absl::StrCat("j", i % 3), 0, [&told] { ++told; });
  feeds.TellAll();
  EXPECT_LE(told, kWatchers / 4);
  for (; !posted.empty(); posted.pop_front()) {
    const int before = told;
    posted.front()();
    EXPECT_LE(told - before, kWatchers / 4);
  }
  EXPECT_EQ(told, kWatchers);
}

TEST(JobFeed, WhoIsYetToBeToldMayLeaveAndTheJobBeForgotten) {
  std::deque<std::function<void()>> posted;
  JobFeeds feeds(0, [&posted](std::function<void()> work) { posted.push_back(std::move(work)); });
  int told = 0;
  std::vector<WatchId> watches;
  for (int i = 0; i < 500; ++i) watches.push_back(feeds.Watch("j", 0, [&told] { ++told; }));
  feeds.Publish("j", Started());
  const int at_once = told;
  for (const WatchId watch : watches) feeds.Unwatch(watch);
  feeds.Forget("j");
  ASSERT_EQ(posted.size(), 1U);
  posted.front()();
  EXPECT_EQ(told, at_once);
}

TEST(JobFeed, PreviewsFromBeforeAWatchAreNotDroppedByIt) {
  JobFeeds feeds(0, kNever);
  for (uint32_t step = 1; step <= 5; ++step) feeds.Publish("j", Preview(step));
  const WatchId late = feeds.Watch("j", 0, [] {});
  EXPECT_EQ(feeds.Next(late)->preview().step(), 5U);
  EXPECT_EQ(feeds.TakeDroppedPreviews(), 0);
  for (uint32_t step = 6; step <= 8; ++step) feeds.Publish("j", Preview(step));
  EXPECT_EQ(feeds.Next(late)->preview().step(), 8U);
  EXPECT_EQ(feeds.TakeDroppedPreviews(), 2);
}

TEST(JobFeed, ForgetsWhatEndedLongAgoUnlessWatched) {
  JobFeeds feeds(0, kNever);
  const absl::Time now = absl::Now();
  for (const char* id : {"old", "watched"}) feeds.Publish(id, Completed(now - absl::Hours(1)));
  feeds.Publish("running", Started());
  feeds.Watch("watched", 0, [] {});
  feeds.Purge(now - absl::Minutes(5));
  EXPECT_FALSE(feeds.Has("old"));
  EXPECT_TRUE(feeds.Has("watched"));
  EXPECT_TRUE(feeds.Has("running"));
}

}  // namespace
}  // namespace mind::server
