#include "server/generation/queue_news.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class QueueNewsTest : public ServiceRig {
 protected:
  static std::vector<uint32_t> Positions(const Told& told) {
    std::vector<uint32_t> positions;
    for (const v1::JobEvent& event : told.events) {
      if (event.has_waiting()) positions.push_back(event.waiting().position());
    }
    return positions;
  }
};

TEST_F(QueueNewsTest, AWatcherHearsWhenItsJobMovesOn) {
  const auto worker = Connect("w", 1);
  const std::string first = Create(), second = Create(), third = Create();
  const WatchId watch = *Watch(third);
  Tick(absl::Seconds(1));
  EXPECT_THAT(Positions(Listen(watch)), testing::ElementsAre(1));
  Finish(worker, first);
  Tick();  // not so soon again
  EXPECT_THAT(Positions(Listen(watch)), testing::IsEmpty());
  Tick(absl::Seconds(1));
  EXPECT_THAT(Positions(Listen(watch)), testing::ElementsAre(0));
  Tick(absl::Seconds(1));
  EXPECT_THAT(Positions(Listen(watch)), testing::IsEmpty());  // nothing has changed
  Finish(worker, second);
  Tick(absl::Seconds(1));
  EXPECT_THAT(Positions(Listen(watch)), testing::IsEmpty());  // it runs
}

TEST_F(QueueNewsTest, ASlowWatcherGetsTheNewest) {
  const auto worker = Connect("w", 1);
  const std::string first = Create(), second = Create(), third = Create();
  const WatchId watch = *Watch(third);
  Tick(absl::Seconds(1));
  Finish(worker, first);
  Tick(absl::Seconds(1));
  EXPECT_THAT(Positions(Listen(watch)), testing::ElementsAre(0));
}

TEST_F(QueueNewsTest, ManyAreToldInTurns) {
  options_.max_queue = 10'000;
  Connect("w", 1);
  Create();
  std::vector<WatchId> watches;
  for (int i = 0; i < 250; ++i) watches.push_back(*Watch(Create()));
  const auto told = [&] {
    size_t heard = 0;
    for (const WatchId watch : watches) heard += Positions(Listen(watch)).size();
    return heard;
  };
  Tick(absl::Seconds(1));
  EXPECT_EQ(told(), 100U);
  Tick();
  EXPECT_EQ(told(), 100U);
  Tick();
  EXPECT_EQ(told(), 50U);
  Tick();
  EXPECT_EQ(told(), 0U);
}

TEST_F(QueueNewsTest, NobodyIsToldOfWhatNobodyWatches) {
  Connect("w", 1);
  Create();
  const std::string id = Create();
  service().Unwatch(*Watch(id));
  Tick(absl::Seconds(1));
  EXPECT_THAT(Positions(WatchFrom(id)), testing::IsEmpty());
}

// What the worker does for a picture beside its steps.
TEST_F(QueueNewsTest, StagesComeFromTheWorkerThatHasThePicture) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  v1::ConnectRequest message;
  v1::ImageStage& stage = *message.mutable_image_stage();
  stage.mutable_image()->set_job_id(id);
  stage.mutable_image()->set_attempt(1);
  const auto stages = [&] {
    std::vector<v1::Stage> heard;
    for (const v1::JobEvent& event : WatchFrom(id).events) {
      if (event.has_stage()) heard.push_back(event.stage().stage());
    }
    return heard;
  };
  stage.set_stage(v1::STAGE_LOADING_MODEL);
  Say(worker, message);
  EXPECT_THAT(stages(), testing::ElementsAre(v1::STAGE_LOADING_MODEL));
  stage.set_stage(v1::STAGE_ENCODING);
  Say(worker, message);
  stage.set_stage(static_cast<v1::Stage>(77));  // of a newer worker
  Say(worker, message);
  EXPECT_THAT(stages(), testing::ElementsAre(v1::STAGE_ENCODING));
  stage.set_stage(v1::STAGE_DECODING);
  stage.mutable_image()->set_attempt(2);  // none of its
  Say(worker, message);
  EXPECT_THAT(stages(), testing::ElementsAre(v1::STAGE_ENCODING));
}

}  // namespace
}  // namespace mind::server
