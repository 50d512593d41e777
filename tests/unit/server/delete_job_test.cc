#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class DeleteJob : public ServiceRig {
 protected:
  absl::StatusOr<v1::Job> Delete(const std::string& id, const Caller& caller = {}) {
    const auto [reply, answer] = Expect<v1::Job>();
    service().Delete(id, caller, CancelledByRequest(id), answer);
    return Answered<v1::Job>(reply);
  }
};

TEST_F(DeleteJob, LeavesNoTraceOfAJobThatHasEnded) {
  const auto worker = Connect("w", 1);
  v1::JobRequest request = SmallRequest();
  request.set_request_id("r");
  const std::string id = Create(request);
  Finish(worker, id);
  ASSERT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
  const auto deleted = Delete(id);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Get(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Watch(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Delete(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(List({})->jobs_size(), 0);
  EXPECT_EQ(store_.size(), 0U);
  EXPECT_NE(Create(request), id);  // the request_id is free
}

TEST_F(DeleteJob, CancelsOneThatRunsAndItsWatchersAreTold) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  ASSERT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  const auto watch = Watch(id);
  const auto deleted = Delete(id);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->state(), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(worker->sent.back().has_cancel());
  EXPECT_TRUE(Listen(*watch).completed);
  EXPECT_EQ(Get(id).status().code(), absl::StatusCode::kNotFound);
  Restart();
  EXPECT_EQ(Get(id).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DeleteJob, IsAnsweredWhenItIsWritten) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Finish(worker, id);
  store_.slow = true;
  const auto [reply, answer] = Expect<v1::Job>();
  service().Delete(id, {}, CancelledByRequest(id), answer);
  Settle();
  EXPECT_FALSE(reply->has_value());
  store_.Release();
  EXPECT_TRUE(Answered<v1::Job>(reply).ok());
}

TEST_F(DeleteJob, OfAnotherTenantThereIsNone) {
  const auto worker = Connect("w", 1);
  const std::string running = Create();
  EXPECT_EQ(Delete(running, {"other"}).status().code(), absl::StatusCode::kNotFound);
  Finish(worker, running);
  EXPECT_EQ(Delete(running, {"other"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(StateOf(running), v1::JOB_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace mind::server
