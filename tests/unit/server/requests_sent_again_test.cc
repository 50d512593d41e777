// A request with an id, sent again: it gets the job that there is.
#include <gtest/gtest.h>

#include "server/generation/service.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class RequestsSentAgainTest : public ServiceRig {};

TEST_F(RequestsSentAgainTest, ARequestSentAgainAfterItsDeadlineGivesItsJob) {
  const auto worker = Connect("w", 1);
  v1::JobRequest request = NamedRequest("r");
  *request.mutable_deadline() = ToTimestamp(now_ + absl::Seconds(10));
  const std::string id = Create(request);
  Finish(worker, id);
  now_ += absl::Minutes(1);
  const auto again = Submit(request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id(), id);
  EXPECT_EQ(again->state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(RequestsSentAgainTest, ARequestSentAgainIsNotCheckedAgainstWhatModelsTakeNow) {
  Connect("w", 1);
  const std::string id = Create(NamedRequest("r"));
  auto session = std::make_shared<FakeSession>();
  v1::Register registration;
  registration.set_name("w");
  *registration.add_models() = SmallModel("m");
  registration.mutable_models(0)->set_takes_prompt(false);
  ASSERT_TRUE(Register(session, registration).ok());
  EXPECT_FALSE(Submit(SmallRequest()).ok());
  EXPECT_EQ(Create(NamedRequest("r")), id);
}

TEST_F(RequestsSentAgainTest, ARequestIdCoversAllThatIsAskedFor) {
  Connect("w", 1);
  const std::string id = Create(NamedRequest("r"));
  v1::JobRequest other = NamedRequest("r");
  other.set_priority(v1::PRIORITY_NORMAL);  // what none given means
  EXPECT_EQ(Create(other), id);
  other.set_priority(v1::PRIORITY_HIGH);
  EXPECT_EQ(ReasonOf(Submit(other).status()), "REQUEST_ID_REUSED");
  other = NamedRequest("r");
  *other.mutable_deadline() = ToTimestamp(now_ + absl::Hours(1));
  EXPECT_EQ(ReasonOf(Submit(other).status()), "REQUEST_ID_REUSED");
  EXPECT_NE(Submit(NamedRequest("r"), {"other tenant"})->id(), id);
  EXPECT_EQ(Submit(NamedRequest("a b")).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RequestsSentAgainTest, ARequestIdIsKnownOverARestart) {
  Connect("w", 1);
  const std::string id = Create(NamedRequest("r"));
  Restart();
  EXPECT_EQ(Create(NamedRequest("r")), id);
}

}  // namespace
}  // namespace mind::server
