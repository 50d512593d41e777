#include "server/http/native.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/http/face_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;
using testing::Not;

class Native : public FaceRig {};

TEST_F(Native, CreatesAJobThatLivesByItself) {
  const auto exchange =
      Ask("POST", "/v1/jobs", R"({"spec": {"prompt": "a", "steps": 5}, "priority": "PRIORITY_LOW"})",
          {{"Idempotency-Key", "key-1"}});
  EXPECT_EQ(exchange->answer->status, 202);
  EXPECT_EQ(HeaderOf(exchange, "location"), "/v1/jobs/job-1");
  EXPECT_EQ(BodyOf(exchange)["id"], "job-1");
  EXPECT_EQ(generation_.submitted.at(0).spec().steps(), 5U);
  EXPECT_EQ(generation_.submitted.at(0).priority(), v1::PRIORITY_LOW);
  EXPECT_EQ(generation_.submitted.at(0).request_id(), "key-1");
  EXPECT_FALSE(generation_.tied);
}

TEST_F(Native, NamesWhatItCannotRead) {
  for (const char* const bad : {"", "[]", R"({"spec": {"stepz": 5}})", R"({"spec": {"steps": "many"}})"}) {
    const auto exchange = Ask("POST", "/v1/jobs", bad);
    EXPECT_EQ(exchange->answer->status, 400) << bad;
    EXPECT_EQ(BodyOf(exchange)["error"]["status"], "INVALID_ARGUMENT") << bad;
  }
  EXPECT_THAT(
      BodyOf(Ask("POST", "/v1/jobs", R"({"spec": {"stepz": 5}})"))["error"]["message"].get<std::string>(),
      HasSubstr("stepz"));
  EXPECT_EQ(Ask("GET", "/v1/jobs?page_size=many")->answer->status, 400);
  EXPECT_EQ(Ask("GET", "/v1/jobs?state=RUNNING")->answer->status, 400);
  EXPECT_EQ(Ask("GET", "/v1/jobs", "", {{"mind-tenant", "two words"}})->answer->status, 400);
  EXPECT_EQ(Ask("GET", "/v1/jobs/job-1/images/one")->answer->status, 400);
}

TEST_F(Native, ListsFindsAndCancels) {
  EXPECT_EQ(BodyOf(Ask("GET", "/v1/jobs?page_size=7&page_token=t&state=JOB_STATE_RUNNING"))["jobs"][0]["id"],
            "job-1");
  EXPECT_EQ(generation_.listed.page_size(), 7U);
  EXPECT_EQ(generation_.listed.page_token(), "t");
  EXPECT_EQ(generation_.listed.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(BodyOf(Ask("GET", "/v1/jobs/job-1"))["stepsTotal"], 20);
  EXPECT_EQ(BodyOf(Ask("POST", "/v1/jobs/job-1/cancel"))["id"], "job-1");
  EXPECT_THAT(generation_.cancelled, testing::ElementsAre("job-1"));
  EXPECT_EQ(BodyOf(Ask("DELETE", "/v1/jobs/job-1"))["id"], "job-1");
  EXPECT_THAT(generation_.deleted, testing::ElementsAre("job-1"));
  const auto unknown = Ask("GET", "/v1/jobs/job-2");
  EXPECT_EQ(unknown->answer->status, 404);
  EXPECT_THAT(BodyOf(unknown)["error"]["details"].dump(),
              HasSubstr("type.googleapis.com/google.rpc.ErrorInfo"));
  EXPECT_EQ(BodyOf(Ask("GET", "/v1/samplers?model=emoji"))["defaultSampler"], "euler");
  EXPECT_EQ(BodyOf(Ask("GET", "/v1/workers"))["workers"][0]["name"], "w");
}

TEST_F(Native, ListsByLabels) {
  Ask("GET", "/v1/jobs?labels[user]=ann&labels%5Ba%2Fb%5D=x%20y&other[user]=no");
  EXPECT_EQ(generation_.listed.labels().size(), 2U);
  EXPECT_EQ(generation_.listed.labels().at("user"), "ann");
  EXPECT_EQ(generation_.listed.labels().at("a/b"), "x y");
}

TEST_F(Native, SaysWhatAJobWouldCostWithoutMakingIt) {
  const auto exchange =
      Ask("POST", "/v1/jobs?validate_only=true", R"({"spec": {"prompt": "a"}, "labels": {"k": "v"}})");
  EXPECT_EQ(exchange->answer->status, 200);
  EXPECT_EQ(BodyOf(exchange)["estimate"]["evaluations"], 40);
  EXPECT_TRUE(generation_.submitted.empty());
  EXPECT_EQ(Ask("POST", "/v1/jobs?validate_only=false", "{}")->answer->status, 202);
  EXPECT_EQ(Ask("POST", "/v1/jobs?validate_only=perhaps", "{}")->answer->status, 400);
}

TEST_F(Native, APictureHasATagAndRanges) {
  const auto whole = Ask("GET", "/v1/jobs/job-1/images/0");
  EXPECT_EQ(whole->answer->content_type, "image/png");
  EXPECT_EQ(*whole->answer->body, "0123456789");
  const std::string tag = HeaderOf(whole, "etag");
  const auto again = Ask("GET", "/v1/jobs/job-1/images/0", "", {{"if-none-match", tag}});
  EXPECT_EQ(again->answer->status, 304);
  EXPECT_EQ(again->answer->body, nullptr);
  const auto part = Ask("GET", "/v1/jobs/job-1/images/0", "", {{"range", "bytes=2-4"}});
  EXPECT_EQ(part->answer->status, 206);
  EXPECT_EQ(*part->answer->body, "234");
  EXPECT_EQ(HeaderOf(part, "content-range"), "bytes 2-4/10");
  EXPECT_EQ(*Ask("GET", "/v1/jobs/job-1/images/0", "", {{"range", "bytes=8-"}})->answer->body, "89");
  for (const char* const passed_over : {"bytes=20-", "bytes=4-2", "bytes=-2", "lines=1-2", "bytes=x-"}) {
    EXPECT_EQ(Ask("GET", "/v1/jobs/job-1/images/0", "", {{"range", passed_over}})->answer->status, 200)
        << passed_over;
  }
  EXPECT_EQ(Ask("GET", "/v1/jobs/job-1/images/1")->answer->status, 404);
}

TEST_F(Native, TellsAJobsEventsFromWhereTheCallerWas) {
  generation_.events = {Preview(0, "small"), Picture(0, "half", false), Picture(0, "rest", true, 5),
                        Completed()};
  const auto exchange = Ask("GET", "/v1/jobs/job-1/events?after_sequence=3", "", {{"last-event-id", "4"}});
  EXPECT_EQ(generation_.after, 4U);
  EXPECT_EQ(exchange->answer->content_type, "text/event-stream");
  EXPECT_TRUE(exchange->ended);
  EXPECT_THAT(exchange->parts, HasSubstr("id: 5\nevent: image\ndata: {"));
  EXPECT_THAT(exchange->parts, HasSubstr("id: 9\nevent: completed\ndata: {"));
  EXPECT_THAT(exchange->parts, HasSubstr("event: preview\n"));
  // The picture itself is elsewhere.
  EXPECT_THAT(exchange->parts, Not(HasSubstr(absl::StrCat("id: 5\nevent: image\ndata: ", "\"data\""))));
  EXPECT_EQ(generation_.left.size(), 0U);
}

TEST_F(Native, AnErrorBeforeTheFirstEventIsTheAnswers) {
  EXPECT_EQ(Ask("GET", "/v1/jobs/job-2/events")->answer->status, 404);
  generation_.events = {Completed()};
  generation_.end = MakeError(absl::StatusCode::kUnavailable, "the server is going down", "SHUTTING_DOWN");
  const auto exchange = Ask("GET", "/v1/jobs/job-1/events");
  EXPECT_EQ(exchange->answer->status, 200);
  EXPECT_THAT(exchange->parts, HasSubstr("event: error\ndata: {\"error\""));
  EXPECT_TRUE(exchange->ended);
}

TEST_F(Native, AWatcherWhoGoesTakesNothingAlong) {
  generation_.end = std::nullopt;
  const auto exchange = Ask("GET", "/v1/jobs/job-1/events");
  exchange->gone();
  RunLoop();
  EXPECT_EQ(generation_.unwatched, 1);
  EXPECT_TRUE(generation_.left.empty());
}

}  // namespace
}  // namespace mind::server
