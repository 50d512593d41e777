#include "server/generation/job_feed.h"

#include <gtest/gtest.h>

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

TEST(JobFeed, TellsEverythingInOrder) {
  JobFeeds feeds(100);
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
  JobFeeds feeds(0);
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
  JobFeeds feeds(0);
  const WatchId watch = feeds.Watch("j", 0, [] {});
  feeds.Publish("j", Progress(1, 0));
  feeds.Publish("j", Progress(2, 1));
  EXPECT_EQ(feeds.Next(watch)->progress().step(), 1U);
  EXPECT_EQ(feeds.Next(watch)->progress().step(), 2U);
}

TEST(JobFeed, AWatchIsTakenUpAgainFromASequence) {
  JobFeeds feeds(0);
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
  JobFeeds feeds(100);
  for (int i = 0; i < 5; ++i) feeds.Publish("busy", Started());
  feeds.Publish("j", Started());
  EXPECT_EQ(feeds.Next(feeds.Watch("j", 0, [] {}))->sequence(), 101U);
}

TEST(JobFeed, EventsOfEarlierRunsKeepTheirNumbersAndNewOnesGoAbove) {
  JobFeeds feeds(100);
  feeds.PublishAt("j", 7, Started());
  feeds.Publish("j", Progress(1));
  const WatchId watch = feeds.Watch("j", 0, [] {});
  EXPECT_EQ(feeds.Next(watch)->sequence(), 7U);
  EXPECT_EQ(feeds.Next(watch)->sequence(), 101U);
  feeds.PublishAt("later", 250, Started());  // of a run with a higher base
  EXPECT_GT(feeds.Reserve("later"), 250U);
}

TEST(JobFeed, NewsWhileAFactIsBeingWrittenDoNotCarryAWatcherPastIt) {
  JobFeeds feeds(100);
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
  JobFeeds feeds(0);
  const uint64_t fact = feeds.Reserve("j");
  feeds.PublishAt("j", fact - 1, Started());
  feeds.Publish("j", Progress(1));
  const WatchId watch = feeds.Watch("j", 0, [] {});
  EXPECT_TRUE(feeds.Next(watch)->has_started());
  EXPECT_EQ(feeds.Next(watch), nullptr);
}

TEST(JobFeed, AWatchHasEndedAfterTheLastEvent) {
  JobFeeds feeds(0);
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
  JobFeeds feeds(0);
  WatchId watch = 0;
  watch = feeds.Watch("j", 0, [&] { feeds.Unwatch(watch); });
  feeds.Watch("j", 0, [] {});
  feeds.Publish("j", Started());
  EXPECT_EQ(feeds.watchers(), 1U);
  EXPECT_EQ(feeds.Next(watch), nullptr);
}

TEST(JobFeed, ForgetsWhatEndedLongAgoUnlessWatched) {
  JobFeeds feeds(0);
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
