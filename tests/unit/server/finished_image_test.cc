#include "server/generation/finished_image.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

class FinishedImageTest : public ServiceRig {
 protected:
  absl::StatusOr<v1::GetImageResponse> GetImage(const std::string& id, uint32_t index,
                                                const Caller& caller = {}) {
    const auto [reply, answer] = Expect<v1::GetImageResponse>();
    service().GetImage(id, index, caller, answer);
    return Answered<v1::GetImageResponse>(reply);
  }
};

TEST_F(FinishedImageTest, HasItsBytesAndWhatTheyAre) {
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  Finish(worker, id, 1);
  const auto image = GetImage(id, 1);  // while the other is being made
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->data(), "picture 1");
  EXPECT_EQ(image->media_type(), "image/png");
  EXPECT_EQ(image->seed(), 2U);
  EXPECT_EQ(image->size(), 9U);
  EXPECT_EQ(image->sha256(), "2dabd364013897cccceb7b1526cffb689610f8202cff6b4a8c387525982ad437");
}

TEST_F(FinishedImageTest, SaysWhyThereIsNone) {
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  EXPECT_EQ(GetImage("job-nope", 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetImage(id, 0, {"other"}).status().code(), absl::StatusCode::kNotFound);
  const absl::Status beyond = GetImage(id, 2).status();
  EXPECT_EQ(beyond.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(beyond.message(), HasSubstr("it has 0 to 1"));
  const absl::Status early = GetImage(id, 0).status();
  EXPECT_EQ(early.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(early), "PICTURE_NOT_READY");
  Finish(worker, id, 0);
  Cancel(id).IgnoreError();
  const absl::Status never = GetImage(id, 1).status();
  EXPECT_EQ(never.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(never), "JOB_ENDED");
  EXPECT_TRUE(GetImage(id, 0).ok());  // what was made is kept
}

TEST_F(FinishedImageTest, OneThatIsGoneIsLost) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Finish(worker, id);
  store_.ForgetImages(id);
  EXPECT_EQ(GetImage(id, 0).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace mind::server
