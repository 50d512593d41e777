// What becomes of requests and pictures that somebody has to allow first.
#include <gmock/gmock.h>

#include <deque>

#include "server/generation/moderator.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::Status Blocked() {
  return MakeError(absl::StatusCode::kInvalidArgument, "no", kModerationBlocked, {{"category", "violence"}});
}

// Remembers what it was asked, and answers when the test says so.
class FakeModerator : public Moderator {
 public:
  struct Question {
    std::shared_ptr<const v1::CheckPromptRequest> prompt;
    std::shared_ptr<const v1::CheckImageRequest> image;
    Done done;
  };
  std::deque<Question> questions;

  void CheckPrompt(std::shared_ptr<const v1::CheckPromptRequest> request, const TraceHeaders&,
                   Done done) override {
    questions.push_back({.prompt = std::move(request), .done = std::move(done)});
  }
  void CheckImage(std::shared_ptr<const v1::CheckImageRequest> request, const TraceHeaders&,
                  Done done) override {
    questions.push_back({.image = std::move(request), .done = std::move(done)});
  }
  // Of the question that has waited longest.
  void Answer(const absl::Status& verdict = absl::OkStatus()) {
    const Question first = std::move(questions.front());
    questions.pop_front();
    first.done(verdict);
  }
};

class ModerationTest : public ServiceRig {
 protected:
  ModerationTest() { options_.moderator = &moderator_; }

  void Answer(const absl::Status& verdict = absl::OkStatus()) {
    ASSERT_FALSE(moderator_.questions.empty());
    moderator_.Answer(verdict);
    Settle();
  }
  // A job that was allowed.
  std::string Allowed(const v1::JobRequest& request = SmallRequest()) {
    const auto reply = Ask(request);
    Settle();
    Answer();
    const auto job = Answered<v1::Job>(reply);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id() : "";
  }
  static v1::ConnectRequest PreviewOf(const std::string& job) {
    v1::ConnectRequest message;
    message.mutable_image_preview()->mutable_image()->set_job_id(job);
    message.mutable_image_preview()->mutable_image()->set_attempt(1);
    v1::Preview& preview = *message.mutable_image_preview()->mutable_preview();
    preview.set_media_type("image/jpeg");
    preview.set_data("jpeg");
    preview.set_width(8);
    preview.set_height(8);
    preview.set_step(1);
    return message;
  }

  FakeModerator moderator_;
};

TEST_F(ModerationTest, ARequestIsAJobWhenItIsAllowed) {
  Connect("w", 0);
  const auto reply = Ask(SmallRequest(), {.tenant = "acme", .key_id = "abcdefghij"});
  Settle();
  EXPECT_FALSE(reply->has_value());
  EXPECT_EQ(store_.size(), 0U) << "something of it was kept";
  ASSERT_EQ(moderator_.questions.size(), 1U);
  const v1::CheckPromptRequest& asked = *moderator_.questions.front().prompt;
  EXPECT_EQ(asked.tenant(), "acme");
  EXPECT_EQ(asked.key_id(), "abcdefghij");
  EXPECT_EQ(asked.spec().prompt(), "a cat");
  EXPECT_EQ(asked.spec().steps(), 20U);
  Answer();
  EXPECT_TRUE(Answered<v1::Job>(reply).ok());
  EXPECT_EQ(store_.size(), 1U);
}

TEST_F(ModerationTest, ARefusedRequestLeavesNothing) {
  Connect("w", 1);
  v1::JobRequest request = SmallRequest();
  request.set_request_id("once");
  for (int time = 0; time < 2; ++time) {
    const auto reply = Ask(request);
    Settle();
    Answer(Blocked());
    EXPECT_EQ(ReasonOf(Answered<v1::Job>(reply).status()), "MODERATION_BLOCKED");
  }
  EXPECT_EQ(store_.size(), 0U);
  EXPECT_TRUE(moderator_.questions.empty());
  // The id was not used up.
  const auto reply = Ask(request);
  Settle();
  Answer();
  EXPECT_TRUE(Answered<v1::Job>(reply).ok());
}

TEST_F(ModerationTest, WhatIsWrongAnywayNobodyIsAskedAbout) {
  Connect("w", 0);
  v1::JobRequest wrong = SmallRequest();
  wrong.mutable_spec()->set_steps(1'000'000);
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(wrong).status()));
  EXPECT_TRUE(moderator_.questions.empty());
}

TEST_F(ModerationTest, WhatIsAskedAboutTakesItsShare) {
  options_.max_queue = 2;
  options_.limits_of = [](const std::string&) {
    v1::TenantLimits limits;
    limits.set_max_jobs(1);
    return limits;
  };
  Connect("w", 0);
  const auto first = Ask(SmallRequest(), {.tenant = "a"});
  Settle();
  EXPECT_EQ(ReasonOf(Submit(SmallRequest(), {.tenant = "a"}).status()), "JOB_LIMIT");
  const auto second = Ask(SmallRequest(), {.tenant = "b"});
  Settle();
  EXPECT_EQ(ReasonOf(Submit(SmallRequest(), {.tenant = "c"}).status()), "QUEUE_FULL");
  ASSERT_EQ(moderator_.questions.size(), 2U);
  Answer(Blocked());
  Answer();
  EXPECT_FALSE(Answered<v1::Job>(first).ok());
  EXPECT_TRUE(Answered<v1::Job>(second).ok());
  // What was refused has given its share back.
  const auto third = Ask(SmallRequest(), {.tenant = "a"});
  Settle();
  Answer();
  EXPECT_TRUE(Answered<v1::Job>(third).ok());
}

TEST_F(ModerationTest, WhoWaitsWhenTheServerGoesIsAnswered) {
  Connect("w", 0);
  const auto reply = Ask(SmallRequest());
  Settle();
  service().StopAdmitting();
  service().CloseWatches();
  EXPECT_EQ(ReasonOf(Answered<v1::Job>(reply).status()), "SHUTTING_DOWN");
  Answer();
  EXPECT_EQ(store_.size(), 0U);
}

TEST_F(ModerationTest, APictureIsKeptWhenItIsAllowed) {
  const auto worker = Connect("w", 1);
  const std::string id = Allowed();
  Finish(worker, id);
  EXPECT_THAT(store_.Now(id)->images, IsEmpty());
  EXPECT_FALSE(Get(id)->has_end_time());
  ASSERT_EQ(moderator_.questions.size(), 1U);
  const v1::CheckImageRequest& asked = *moderator_.questions.front().image;
  EXPECT_EQ(asked.job_id(), id);
  EXPECT_EQ(asked.data(), "picture 0");
  EXPECT_EQ(asked.media_type(), "image/png");
  Answer();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(WatchFrom(id).pictures, ElementsAre(0));
  EXPECT_TRUE(worker->sent.back().has_taken());
}

TEST_F(ModerationTest, ARefusedPictureEndsItsJobAndIsNotKept) {
  const auto worker = Connect("w", 1);
  Connect("another", 1);
  const std::string id = Allowed();
  Finish(worker, id);
  Answer(Blocked());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_FAILED);
  EXPECT_EQ(GetErrorInfo(FromProto(Get(id)->error()))->reason(), "MODERATION_BLOCKED");
  EXPECT_THAT(store_.Now(id)->images, IsEmpty());
  EXPECT_THAT(WatchFrom(id).pictures, IsEmpty());
  EXPECT_TRUE(worker->sent.back().has_taken()) << "its worker would bring it again";
}

TEST_F(ModerationTest, APictureOfAWorkerThatHasGoneIsAskedAboutAgain) {
  const auto first = Connect("w", 1);
  const std::string id = Allowed();
  Finish(first, id);
  Lose(first);
  const auto again = std::make_shared<FakeSession>();
  v1::Register registration;
  registration.set_name("w");
  *registration.add_models() = SmallModel("m");
  ASSERT_TRUE(Register(again, registration).ok());
  Finish(again, id);
  ASSERT_EQ(moderator_.questions.size(), 2U);
  Answer();
  EXPECT_THAT(store_.Now(id)->images, IsEmpty()) << "that of a stream which has ended";
  Answer();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(ModerationTest, APictureThatIsBroughtBackAndRefusedEndsItsJob) {
  const auto first = Connect("w", 1);
  const std::string id = Allowed();
  Lose(first);
  const auto again = std::make_shared<FakeSession>();
  v1::Register registration;
  registration.set_name("w");
  *registration.add_models() = SmallModel("m");
  ASSERT_TRUE(Register(again, registration).ok());
  Finish(again, id);
  Answer(Blocked());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_FAILED);
  EXPECT_EQ(GetErrorInfo(FromProto(Get(id)->error()))->reason(), "MODERATION_BLOCKED");
  EXPECT_THAT(store_.Now(id)->images, IsEmpty());
}

TEST_F(ModerationTest, APictureOfACancelledJobIsNotKept) {
  const auto worker = Connect("w", 1);
  const std::string id = Allowed();
  Finish(worker, id);
  ASSERT_TRUE(Cancel(id).ok());
  Answer();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_CANCELLED);
  EXPECT_THAT(store_.Now(id)->images, IsEmpty());
}

TEST_F(ModerationTest, NoMoreIsReadThanMayBeHeld) {
  options_.held_bytes = 5;  // less than a picture
  const auto worker = Connect("w", 1);
  const std::string id = Allowed();
  bool readable = false;
  Finish(worker, id);
  service().workers().WhenReadable(worker.get(), [&] { readable = true; });
  Settle();
  EXPECT_FALSE(readable);
  Answer();
  EXPECT_TRUE(readable);
}

TEST_F(ModerationTest, NothingIsShownOfAPictureBeforeItIsAllowed) {
  const auto worker = Connect("w", 1);
  const std::string id = Allowed();
  Say(worker, PreviewOf(id));
  for (const v1::JobEvent& event : WatchFrom(id).events) EXPECT_FALSE(event.has_preview());
}

}  // namespace
}  // namespace mind::server
