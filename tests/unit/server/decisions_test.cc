#include "server/generation/decisions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class DecisionsTest : public ::testing::Test {
 protected:
  static ServiceOptions Options(std::deque<std::function<void()>>& posted) {
    ServiceOptions options;
    options.post = [&posted](std::function<void()> work) { posted.push_back(std::move(work)); };
    options.clock = [] { return absl::UnixEpoch() + absl::Hours(1); };
    options.steady_clock = [] { return absl::Hours(1); };
    return options;
  }

  std::deque<std::function<void()>> posted_;
  FakeStore store_;
  ServerMetrics metrics_;
  ServiceState state_{Options(posted_), store_, metrics_};
  Decisions decisions_{state_};
};

// Its number would be given out again after a crash.
TEST_F(DecisionsTest, AnAttemptOfAJobThatHasEndedLeavesNeverWithoutBeingWritten) {
  const auto session = std::make_shared<FakeSession>();
  state_.sessions.Add("w", session);
  SendAssign send{.worker = "w"};
  send.assign.set_job_id("j");
  send.assign.set_attempt(1);
  send.assign.add_images();
  decisions_.CarryOut({send});
  while (!posted_.empty()) {
    const std::function<void()> work = std::move(posted_.front());
    posted_.pop_front();
    work();
  }
  EXPECT_THAT(session->Assigned(), ::testing::IsEmpty());
  EXPECT_TRUE(state_.ledger.settled());
}

}  // namespace
}  // namespace mind::server
