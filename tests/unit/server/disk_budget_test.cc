// What the job store may take of the disk.
#include <gtest/gtest.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class DiskBudgetTest : public ServiceRig {
 protected:
  void Use(uint64_t bytes) {
    store_.bytes_used = bytes;
    Tick(absl::Seconds(1));
  }
  void Allow(uint64_t bytes) {
    options_.max_disk_bytes = bytes;
    Restart();
  }
};

TEST_F(DiskBudgetTest, WhatIsBeyondIsRefusedUntilThereIsRoomAgain) {
  Allow(1000);
  const auto worker = Connect("w", 1);
  Use(999);
  EXPECT_TRUE(Submit(SmallRequest()).ok());
  Use(1000);
  const absl::Status refused = Submit(SmallRequest()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "DISK_LIMIT");
  EXPECT_EQ(refused.message(),
            "the server's disk budget is used up: jobs and their pictures take 1000 of 1000 bytes");
  EXPECT_EQ(GetErrorInfo(refused)->metadata().at("storeBytes"), "1000");
  EXPECT_EQ(GetErrorInfo(refused)->metadata().at("storeBytesAllowed"), "1000");
  EXPECT_EQ(GetRetryDelay(refused), absl::Minutes(1));
  Use(10);
  EXPECT_TRUE(Submit(SmallRequest()).ok());
}

TEST_F(DiskBudgetTest, WhatIsAcceptedIsFinishedAndSeenAllTheSame) {
  Allow(1000);
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Use(2000);
  Finish(worker, id);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(DiskBudgetTest, WithoutOneOrElsewhereNothingIsRefused) {
  Restart();
  const auto worker = Connect("w", 1);
  Use(uint64_t{1} << 60);
  EXPECT_TRUE(Submit(SmallRequest()).ok());
  Allow(1);
  store_.bytes_used.reset();
  Tick(absl::Seconds(5));
  EXPECT_TRUE(Submit(SmallRequest()).ok());
}

}  // namespace
}  // namespace mind::server
