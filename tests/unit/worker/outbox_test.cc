#include "worker/link/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "tests/unit/worker/reports.h"

namespace mind {
namespace {

using ::testing::ElementsAre;
using MessageKind = v1::ConnectRequest::MessageCase;

std::vector<std::string> Drained(Outbox& outbox) {
  std::vector<std::string> lines;
  while (!outbox.empty()) lines.push_back(LineOf(*outbox.Take()));
  return lines;
}

TEST(Outbox, FactsGoBeforeNewsAndEachInOrder) {
  Outbox outbox;
  outbox.Put(Progress("a", 0, 1));
  outbox.Put(Started("b", 0));
  outbox.Put(Checkpoint("c", 0, 2));
  outbox.Put(Result("d", 0));
  EXPECT_THAT(Drained(outbox),
              ElementsAre("started b/0", "result d/0", "progress a/0 1", "checkpoint c/0 2"));
}

TEST(Outbox, NewerNewsTakesThePlaceOfOlder) {
  Outbox outbox;
  EXPECT_EQ(outbox.Put(Preview("a", 0, 1)), MessageKind::MESSAGE_NOT_SET);
  for (uint32_t step = 1; step <= 100; ++step) {
    outbox.Put(Progress("a", 0, step));
    outbox.Put(Checkpoint("a", 0, step));
    outbox.Put(Checkpoint("a", 1, step));
  }
  EXPECT_EQ(outbox.Put(Preview("a", 0, 100)), MessageKind::kImagePreview);
  EXPECT_THAT(Drained(outbox),
              ElementsAre("preview a/0 100", "progress a/0 100", "checkpoint a/0 100", "checkpoint a/1 100"));
}

TEST(Outbox, ProgressThatWaitsGoesTogetherToAServerThatUnderstandsIt) {
  Outbox outbox;
  outbox.SendProgressTogether();
  for (uint32_t image = 0; image < 3; ++image) outbox.Put(Progress("a", image, 4 + image));
  outbox.Put(Preview("a", 1, 4));
  outbox.Put(Progress("a", 1, 9));
  EXPECT_THAT(Drained(outbox), ElementsAre("progress of a/0 4, a/1 9, a/2 6", "preview a/1 4"));
  outbox.Put(Progress("a", 0, 5));
  EXPECT_THAT(Drained(outbox), ElementsAre("progress a/0 5")) << "alone it goes as it is";
}

TEST(Outbox, StagesAreNewsAndThoseBeforeTheBeginningGoWithIt) {
  Outbox outbox;
  outbox.Put(Stage("a", 0, v1::STAGE_LOADING_MODEL));
  outbox.Put(Stage("a", 0, v1::STAGE_ENCODING));
  outbox.Put(Stage("b", 0, v1::STAGE_ENCODING));
  outbox.Put(Started("a", 0));
  outbox.Put(Stage("a", 0, v1::STAGE_DECODING));
  EXPECT_THAT(Drained(outbox), ElementsAre("started a/0", "stage b/0 2", "stage a/0 4"));
  outbox.Put(Stage("a", 0, v1::STAGE_DECODING));
  outbox.Put(Result("a", 0));
  EXPECT_THAT(Drained(outbox), ElementsAre("result a/0"));
}

TEST(Outbox, HeartbeatsDoNotPileUp) {
  Outbox outbox;
  v1::ConnectRequest capacity;
  for (uint32_t n = 1; n <= 3; ++n) {
    capacity.mutable_capacity()->set_max_images(n);
    outbox.Put(std::make_shared<const v1::ConnectRequest>(capacity));
  }
  EXPECT_EQ(outbox.Take()->capacity().max_images(), 3U);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, APicturesEndTakesItsNewsAway) {
  Outbox outbox;
  outbox.Put(Progress("a", 0, 1));
  outbox.Put(Checkpoint("a", 0, 1));
  outbox.Put(Preview("a", 0, 1));
  outbox.Put(Progress("a", 1, 7));
  outbox.Put(Result("a", 0));
  EXPECT_THAT(Drained(outbox), ElementsAre("result a/0", "progress a/1 7"));
}

TEST(Outbox, ACheckpointThatIsStillWorthSomethingIsSentBeforeTheEnd) {
  Outbox outbox;
  outbox.Put(Checkpoint("a", 0, 5));
  outbox.Put(Failure("a", 0, absl::StatusCode::kInternal));
  outbox.Put(Checkpoint("b", 0, 6));
  outbox.Put(HandedBack("b", 0, 7, ""));
  outbox.Put(Checkpoint("c", 0, 8));
  outbox.Put(HandedBack("c", 0, 9, "state"));
  outbox.Put(Checkpoint("d", 0, 1));
  outbox.Put(Failure("d", 0, absl::StatusCode::kDataLoss));
  EXPECT_THAT(Drained(outbox), ElementsAre("checkpoint a/0 5", "failure a/0", "checkpoint b/0 6",
                                           "handed back b/0 7", "handed back c/0 9", "failure d/0"));
}

}  // namespace
}  // namespace mind
