// What the service answers to lists, models and workers, and whom it takes in.
#include "server/generation/service.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GenerationServiceTest : public ServiceRig {};

// --- Lists.

TEST_F(GenerationServiceTest, ListsByTheStateThatJobsAreIn) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Lose(worker);  // requeued: the store still says RUNNING
  v1::ListJobsRequest request;
  request.set_state(v1::JOB_STATE_QUEUED);
  EXPECT_EQ(List(request)->jobs_size(), 1);
  request.set_state(v1::JOB_STATE_RUNNING);
  EXPECT_EQ(List(request)->jobs_size(), 0);
}

TEST_F(GenerationServiceTest, PagesGoOnWhateverBecomesOfTheirJobs) {
  options_.keep = absl::Hours(1);
  const auto worker = Connect("w", 16);
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(Create());
  for (const std::string& id : ids) Finish(worker, id);
  v1::ListJobsRequest request;
  request.set_page_size(2);
  const auto first = List(request);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->jobs_size(), 2);
  EXPECT_EQ(first->jobs(0).id(), ids[4]);
  request.set_page_token(first->next_page_token());
  auto second = List(request);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->jobs(0).id(), ids[2]);
  EXPECT_EQ(second->jobs(1).id(), ids[1]);
  request.set_page_token(second->next_page_token());
  const auto last = List(request);
  EXPECT_EQ(last->jobs_size(), 1);
  EXPECT_EQ(last->next_page_token(), "");
  Tick(absl::Hours(2));  // all of them are forgotten
  request.set_page_token(first->next_page_token());
  second = List(request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->jobs_size(), 0);
  request.set_page_token("job-1");
  EXPECT_EQ(List(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(GenerationServiceTest, PagesOfOneStateHoldAsManyAsAskedFor) {
  Connect("w", 1);
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) ids.push_back(Create());  // the first runs
  v1::ListJobsRequest request;
  request.set_state(v1::JOB_STATE_QUEUED);
  request.set_page_size(3);
  std::vector<std::string> listed;
  do {
    const auto page = List(request);
    ASSERT_TRUE(page.ok());
    for (const v1::Job& job : page->jobs()) listed.push_back(job.id());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(listed, ElementsAre(ids[6], ids[5], ids[4], ids[3], ids[2], ids[1]));
}

// --- Models and admission.

TEST_F(GenerationServiceTest, AModelNobodyServesAnyMoreIsNotMeantByNone) {
  const auto old = Connect("old", 1, {"renamed"});
  Lose(old);
  Connect("new", 1, {"m"});
  v1::JobRequest request = SmallRequest("");
  EXPECT_THAT(std::string(Submit(request).status().message()), HasSubstr("which one?"));
  Tick(absl::Hours(2));
  const auto job = Submit(request);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec().model(), "m");
  EXPECT_TRUE(Submit(SmallRequest("renamed"), {}).ok());  // by its name it may still be asked for
}

TEST_F(GenerationServiceTest, WithNobodyConnectedAKnownModelMayFillTheQueue) {
  options_.max_queue = 10;
  Lose(Connect("old", 1, {"m"}));
  for (int i = 0; i < 10; ++i) Create(SmallRequest("m"));
  EXPECT_EQ(ReasonOf(Submit(SmallRequest("m")).status()), "QUEUE_FULL");
}

TEST_F(GenerationServiceTest, JobsForAModelNobodyServesLeaveRoomForOthers) {
  options_.max_queue = 10;
  Lose(Connect("old", 1, {"gone"}));
  Connect("w", 1, {"m"});
  for (int i = 0; i < 5; ++i) Create(SmallRequest("gone"));
  const absl::Status refused = Submit(SmallRequest("gone"), {}).status();
  EXPECT_EQ(ReasonOf(refused), "QUEUE_FULL");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no connected worker serves the model \"gone\""));
  for (int i = 0; i < 6; ++i) Create();
}

TEST_F(GenerationServiceTest, WhoWouldWaitTooLongIsRefusedAndNotTheOthers) {
  options_.max_wait = absl::Minutes(1);
  Connect("w", 1);
  absl::Status refused;
  int taken = 0;
  while (refused.ok()) {
    refused = Submit(SmallRequest(), {.tenant = "flood"}).status();
    if (refused.ok()) ++taken;
    ASSERT_LT(taken, 1000);
  }
  EXPECT_GT(taken, 10);
  EXPECT_EQ(ReasonOf(refused), "WAIT_TOO_LONG");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("longer than 1m"));
  EXPECT_TRUE(Submit(SmallRequest(), {.tenant = "modest"}).ok());
  EXPECT_EQ(ReasonOf(Submit(SmallRequest(), {.tenant = "flood"}).status()), "WAIT_TOO_LONG");
}

TEST_F(GenerationServiceTest, ModelsAreWrittenOnceAndTogether) {
  Connect("w", 1, {"a", "b", "c"});
  EXPECT_EQ(store_.model_writes, 3);
  EXPECT_EQ(store_.committed, 1);
  Connect("w2", 1, {"a", "b", "c"});
  EXPECT_EQ(store_.model_writes, 3);
  EXPECT_EQ(store_.committed, 1);
}

TEST_F(GenerationServiceTest, ARegistrationThatIsRefusedHarmsNobody) {
  const auto living = Connect("w", 1);
  const std::string id = Create();
  v1::Register registration;
  registration.set_name("w");
  *registration.add_models() = SmallModel("fine");
  registration.add_models()->set_name("not described");
  const absl::Status refused = Register(std::make_shared<FakeSession>(), registration);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(living->closed);
  const auto [models, answer] = Expect<v1::ListModelsResponse>();
  service().ListModels(answer);
  EXPECT_EQ((*models)->value().models_size(), 1);
  Finish(living, id);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(GenerationServiceTest, AServerGoingDownBeginsNothingNew) {
  const auto worker = Connect("w", 1);
  const std::string running = Create(), waiting = Create();
  service().StopAdmitting();
  EXPECT_FALSE(service().serving());
  EXPECT_EQ(ReasonOf(Submit(SmallRequest()).status()), "SHUTTING_DOWN");
  Finish(worker, running);
  Tick();
  EXPECT_EQ(service().running_jobs(), 0U);
  EXPECT_EQ(StateOf(waiting), v1::JOB_STATE_QUEUED);
}

TEST_F(GenerationServiceTest, JobsOfAnotherTenantDoNotExist) {
  Connect("w", 1);
  const std::string id = Create();
  const Caller other{"other"};
  EXPECT_EQ(Get(id, other).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Watch(id, 0, other).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Cancel(id, other).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(GenerationServiceTest, APictureFinishedWhileTheServerWasAwayIsTaken) {
  Connect("w", 2);
  const std::string id = Create(SmallRequest("m", /*images=*/2));
  ASSERT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  Restart();
  const auto worker = Connect("w", /*room=*/0);  // it has not said yet what it takes
  Finish(worker, id, 1);
  const v1::ConnectResponse& answer = worker->sent.back();
  EXPECT_EQ(answer.taken().image().job_id(), id);
  EXPECT_EQ(answer.taken().image().image_index(), 1U);
  Finish(worker, id, 0);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(WatchFrom(id).pictures, testing::UnorderedElementsAre(0, 1));
}

TEST_F(GenerationServiceTest, AResultIsTakenOnceItIsStored) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.slow = true;
  Finish(worker, id);
  Finish(worker, id);  // again, as on its next stream: still not taken
  EXPECT_FALSE(worker->sent.back().has_taken());
  store_.Release();
  Settle();
  EXPECT_TRUE(worker->sent.back().has_taken());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

// --- Work.

TEST_F(GenerationServiceTest, WorkIsWhatWaitsAndWhatRunsUntilItIsDone) {
  const auto work = [this] {
    const auto [reply, answer] = Expect<internal::v1::ListWorkResponse>();
    service().ListWork(answer);
    return *Answered<internal::v1::ListWorkResponse>(reply);
  };
  const auto worker = Connect("w", 1);
  EXPECT_EQ(work().models_size(), 0);
  const std::string first = Create();
  const std::string second = Create();
  ASSERT_EQ(work().models_size(), 1);
  const internal::v1::ModelWork busy = work().models(0);
  EXPECT_EQ(busy.model(), "m");
  EXPECT_EQ(busy.waiting_jobs(), 1);
  EXPECT_EQ(busy.running_jobs(), 1);
  EXPECT_GT(busy.waiting_seconds(), 0);
  EXPECT_DOUBLE_EQ(busy.running_seconds(), busy.waiting_seconds());
  Finish(worker, first);
  Settle();
  Finish(worker, second);
  Settle();
  EXPECT_EQ(work().models_size(), 0);
}

}  // namespace
}  // namespace mind::server
