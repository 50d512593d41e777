#include "worker/link/image_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "tests/unit/worker/reports.h"

namespace mind {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ImageEventsTest : public ::testing::Test {
 protected:
  ImageEvents Events(size_t max_payload = kMaxPayloadBytes) {
    return ImageEvents(Ref("job", 2), spec_, metrics_,
                       {.report =
                            [this](v1::ConnectRequest report) {
                              reports_.push_back(std::move(report));
                              return true;
                            },
                        .ended = [this] { ++ended_; }},
                       max_payload);
  }
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const v1::ConnectRequest& report : reports_) lines.push_back(LineOf(report));
    return lines;
  }

  WorkerMetrics metrics_;
  v1::ImageSpec spec_;
  std::vector<v1::ConnectRequest> reports_;
  int ended_ = 0;
};

at::Tensor BlackImage() {
  return at::zeros({4, 6, 3}, at::kByte);
}

TEST_F(ImageEventsTest, ReportsTheCourseOfAPicture) {
  spec_.set_seed(40);
  ImageEvents events = Events();
  events.OnSideWork(diffusion::SideWork::kEncoding);
  events.OnStarted(0);
  events.OnStep(1, 2);
  events.OnCheckpoint(1, "state");
  events.OnPreview(1, BlackImage());
  events.OnPicture(BlackImage());
  EXPECT_THAT(Lines(), ElementsAre("stage job/2 2", "started job/2", "progress job/2 1", "checkpoint job/2 1",
                                   "preview job/2 1", "result job/2"));
  EXPECT_EQ(reports_[4].image_preview().preview().width(), 6U);
  EXPECT_EQ(reports_.back().image_result().seed(), 42U);
  EXPECT_EQ(reports_.back().image_result().media_type(), "image/png");
  EXPECT_EQ(ended_, 1);
}

// Whoever takes the reports may be gone by then.
TEST_F(ImageEventsTest, NothingIsReportedAfterTheEnd) {
  ImageEvents events = Events();
  events.OnPicture(BlackImage());
  events.OnCheckpoint(9, "state");
  events.OnPreview(9, BlackImage());
  EXPECT_THAT(Lines(), ElementsAre("result job/2"));
}

TEST_F(ImageEventsTest, APictureTooLargeForTheLinkFailsAndSaysSo) {
  ImageEvents events = Events(/*max_payload=*/50);
  events.OnPicture(BlackImage());
  ASSERT_THAT(Lines(), ElementsAre("failure job/2"));
  const google::rpc::Status& error = reports_[0].image_failure().error();
  EXPECT_EQ(error.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(error.message(), HasSubstr("bytes as image/png; at most 50 are allowed"));
  EXPECT_EQ(ended_, 1);
}

TEST_F(ImageEventsTest, CheckpointsTooLargeForTheLinkAreLeftOut) {
  ImageEvents events = Events(/*max_payload=*/50);
  events.OnCheckpoint(1, std::string(51, 'x'));
  events.OnCheckpoint(2, std::string(50, 'x'));
  events.OnHandedBack(3, std::string(51, 'x'));
  ASSERT_THAT(Lines(), ElementsAre("checkpoint job/2 2", "handed back job/2 0"));
  EXPECT_TRUE(reports_[1].image_handed_back().checkpoint().empty());
}

TEST_F(ImageEventsTest, ErrorsAreReportedAsPrintableText) {
  ImageEvents events = Events();
  events.OnFailed(std::make_exception_ptr(std::runtime_error("bad \xff\x1b[2J" + std::string(5000, 'x'))));
  ASSERT_THAT(Lines(), ElementsAre("failure job/2"));
  const std::string& message = reports_[0].image_failure().error().message();
  EXPECT_THAT(message, HasSubstr("bad ??[2Jxxx"));
  EXPECT_LE(message.size(), 1010U);
  EXPECT_FALSE(reports_[0].SerializeAsString().empty());
}

}  // namespace
}  // namespace mind
