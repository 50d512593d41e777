// Fronts that share their work and lose one another.
#include "server/process/front.h"

#include <gmock/gmock.h>

#include "tests/unit/server/front_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FrontTest : public FrontRig {};

TEST_F(FrontTest, AnyFrontAnswersForAnyJobAndTakesAnyWorker) {
  Start(3);
  TestWorker worker(member(1));
  AwaitModel(member(2));
  const std::string id = Create(member(2), Request(3));
  const auto here = Watch(member(0), id), there = Watch(member(1), id);
  WaitFor("the assignment", [&] { return worker.assigned() == 1; });
  EXPECT_EQ(Get(member(1), id).state(), v1::JOB_STATE_RUNNING);
  worker.Let();
  for (Following<v1::WatchJobResponse>* const watch : {here.get(), there.get()}) {
    const grpc::Status status = watch->Join();
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_THAT(watch->Pictures(), ElementsAre(0, 1, 2));
    EXPECT_TRUE(watch->Rising());
    ASSERT_FALSE(watch->events().empty());
    EXPECT_TRUE(watch->events().back().has_completed());
  }
  for (const auto& one : members_) EXPECT_EQ(Get(*one, id).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(FrontTest, EventsHaveTheSameNumbersEverywhereAndAnEndedWatchBeganAgainEndsAtOnce) {
  Start(2);
  TestWorker worker(member(0));
  worker.Let();
  AwaitModel(member(1));
  const std::string id = Create(member(0), Request(2));
  const auto live = Watch(member(1), id);
  EXPECT_TRUE(live->Join().ok());
  ASSERT_FALSE(live->events().empty());
  const uint64_t last = live->events().back().sequence();
  for (const auto& one : members_) {
    const auto late = Watch(*one, id);
    EXPECT_TRUE(late->Join().ok());
    EXPECT_THAT(late->Pictures(), ElementsAre(0, 1));
    ASSERT_FALSE(late->events().empty());
    EXPECT_EQ(late->events().back().sequence(), last);
    const auto over = Watch(*one, id, last);
    EXPECT_TRUE(over->Join().ok());
    EXPECT_THAT(over->events(), IsEmpty());
  }
}

TEST_F(FrontTest, AWatchOutlivesItsLeader) {
  Start(2);
  TestWorker worker(member(1));
  AwaitModel(member(1));
  const std::string id = Create(member(1), Request(2));
  const auto watch = Watch(member(1), id);
  WaitFor("the assignment", [&] { return worker.assigned() == 1; });
  WaitFor("the beginning", [&] { return watch->count() >= 1; });
  member(0).Stop();
  WaitFor("another attempt", [&] { return worker.assigned() == 2; });
  worker.Let();
  const grpc::Status status = watch->Join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(watch->Pictures(), ElementsAre(0, 1));
  EXPECT_TRUE(watch->Rising());
  EXPECT_EQ(database_.row().term, 2U);
}

TEST_F(FrontTest, ALeaderCutOffFromTheDatabaseHearsOfTheNextAndFollowsIt) {
  Start(2);
  TestWorker worker(member(0));
  AwaitModel(member(0));
  member(0).view().Cut(true);
  WaitFor("another leader", [this] { return database_.row().term == 2; });
  // The worker's stream, which the first front keeps, now goes to the second.
  WaitFor("the worker to come again", [&] { return worker.connections() >= 2; });
  const std::string id = Create(member(1));
  WaitFor("the assignment", [&] { return worker.assigned() == 1; });
  worker.Let();
  EXPECT_TRUE(Watch(member(1), id)->Join().ok());
}

TEST_F(FrontTest, WhileTheDatabaseIsAwayTheLeaderStaysAndWhatItHoldsIsWrittenAfterwards) {
  Start(2);
  TestWorker worker(member(0));
  AwaitModel(member(0));
  const std::string id = Create(member(1));
  const auto watch = Watch(member(1), id);
  WaitFor("the assignment", [&] { return worker.assigned() == 1; });
  WaitFor("the watch", [&] { return watch->count() >= 1; });
  for (const auto& one : members_) one->view().Cut(true);
  worker.Let();
  WaitFor("health to say so", [this] { return !member(0).serving(); });
  for (const auto& one : members_) one->view().Cut(false);
  EXPECT_TRUE(watch->Join().ok());
  EXPECT_THAT(watch->Pictures(), ElementsAre(0));
  EXPECT_EQ(database_.row().term, 1U);
}

TEST_F(FrontTest, ARequestThatFindsNoLeaderWaitsForTheNext) {
  Start(2);
  TestWorker worker(member(1));
  AwaitModel(member(1));
  member(0).Stop();
  const std::string id = Create(member(1));
  EXPECT_EQ(Get(member(1), id).id(), id);
}

TEST_F(FrontTest, ACallThatItsClientCancelsTakesItsJobAlongAtOnceThroughAnyFront) {
  Start(2);
  TestWorker worker(member(0));
  AwaitModel(member(1));
  v1::JobRequest job = Request();
  job.set_request_id("once");
  const auto call = Generate(member(1), job);
  const std::string id = JobOf(*call);
  call->Cancel();
  WaitFor("its end", [&] { return Get(member(0), id).state() == v1::JOB_STATE_CANCELLED; });
}

TEST_F(FrontTest, ATiedJobWaitsForTheCallersOfALostFrontAndEndsWhenNobodyComes) {
  Start(3);
  TestWorker worker(member(0));
  AwaitModel(member(1));
  const auto call = Generate(member(1), Request());
  const std::string id = JobOf(*call);
  member(1).Stop();
  EXPECT_EQ(call->Join().error_code(), grpc::StatusCode::UNAVAILABLE);
  WaitFor("its end", [&] { return Get(member(2), id).state() == v1::JOB_STATE_CANCELLED; });
}

TEST_F(FrontTest, ATiedJobLivesOnThroughAChangeOfLeader) {
  Start(2);
  TestWorker worker(member(1));
  AwaitModel(member(1));
  const auto call = Generate(member(1), Request());
  WaitFor("the assignment", [&] { return worker.assigned() == 1; });
  member(0).Stop();
  WaitFor("another attempt", [&] { return worker.assigned() == 2; });
  worker.Let();
  const grpc::Status status = call->Join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(call->Pictures(), ElementsAre(0));
}

TEST_F(FrontTest, AfterAChangeOfLeaderAClientStillCancelsAtOnce) {
  Start(2);
  TestWorker worker(member(1));
  AwaitModel(member(1));
  const auto call = Generate(member(1), Request());
  WaitFor("the assignment", [&] { return worker.assigned() == 1; });
  const std::string id = JobOf(*call);
  member(0).Stop();
  WaitFor("another attempt", [&] { return worker.assigned() == 2; });
  call->Cancel();
  WaitFor("its end", [&] { return Get(member(1), id).state() == v1::JOB_STATE_CANCELLED; });
}

TEST_F(FrontTest, ATermThatSomebodyElseTakesEndsTheReignAtTheNextWrite) {
  Start(2);
  TestWorker worker(member(1));
  AwaitModel(member(1));
  const TermRow row = database_.row();
  member(1).view().Take(row, "a stranger", "127.0.0.1:1", [](const auto&) {});
  // Nobody is behind that address: it is taken for dead, and one of the fronts leads again.
  WaitFor("a leader of ours", [this] { return database_.row().term > 2; });
  const std::string id = Create(member(0));
  EXPECT_EQ(Get(member(1), id).id(), id);
}

}  // namespace
}  // namespace mind::server
