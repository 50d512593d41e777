// Watches of jobs: every event once and under one number, wherever a watch begins.
#include <gmock/gmock.h>

#include "server/generation/service.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WatchesTest : public ServiceRig {};

TEST_F(WatchesTest, AWatchFromTheLastEventEndsAtOnce) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Finish(worker, id);
  const Told all = WatchFrom(id);
  EXPECT_TRUE(all.completed);
  bool told = false;
  const auto watch = Watch(id, all.last_sequence, {}, [&told] { told = true; });
  ASSERT_TRUE(watch.ok());
  EXPECT_TRUE(told);
  const WatchNews news = service().Next(*watch);
  EXPECT_EQ(news.event, nullptr);
  EXPECT_EQ(news.end, absl::OkStatus());
}

TEST_F(WatchesTest, NumbersAreTheSameWhenTheFeedIsForgotten) {
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  Finish(worker, id, 1);
  const Told half = WatchFrom(id);
  EXPECT_THAT(half.pictures, ElementsAre(1));
  Finish(worker, id, 0);
  const Told all = WatchFrom(id);
  const auto check = [&] {
    EXPECT_THAT(WatchFrom(id, all.last_sequence).events, IsEmpty());
    const Told rest = WatchFrom(id, half.last_sequence);
    EXPECT_THAT(rest.pictures, ElementsAre(0));  // and not 1 again
    EXPECT_TRUE(rest.completed);
    EXPECT_EQ(rest.last_sequence, all.last_sequence);
    EXPECT_THAT(WatchFrom(id).pictures, ElementsAre(1, 0));
  };
  check();
  Tick(absl::Minutes(10));
  check();
  Restart();
  check();
}

TEST_F(WatchesTest, AWatchOverARestartGetsEveryPictureOnce) {
  const auto worker = Connect("w", 3);
  const std::string id = Create(SmallRequest("m", 3));
  Finish(worker, id, 2);
  const Told before = WatchFrom(id);
  EXPECT_THAT(before.pictures, ElementsAre(2));
  Finish(worker, id, 0);  // stored, not told
  Restart();
  const auto again = Connect("w", 3);
  Finish(again, id, 1);
  const Told after = WatchFrom(id, before.last_sequence);
  EXPECT_THAT(after.pictures, ElementsAre(0, 1));
  EXPECT_TRUE(after.completed);
}

TEST_F(WatchesTest, LargePicturesComeInParts) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  v1::ConnectRequest message;
  v1::ImageResult& result = *message.mutable_image_result();
  result.mutable_image()->set_job_id(id);
  result.mutable_image()->set_attempt(1);
  result.set_seed(1);  // SmallRequest's
  result.set_media_type("image/png");
  std::string data;
  for (int i = 0; i < 300'000; ++i) data += std::to_string(i);
  result.set_data(data);
  Say(worker, message);
  std::string received;
  int parts = 0;
  for (const v1::JobEvent& event : WatchFrom(id).events) {
    if (!event.has_image()) continue;
    ++parts;
    EXPECT_LE(event.ByteSizeLong(), 600'000U);
    EXPECT_EQ(event.image().total_size(), data.size());
    received += event.image().data();
    EXPECT_EQ(event.image().last(), received.size() == data.size());
  }
  EXPECT_EQ(parts, 4);
  EXPECT_EQ(received, data);
}

}  // namespace
}  // namespace mind::server
