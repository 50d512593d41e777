#include "server/trust/quotas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

class QuotasTest : public testing::Test {
 protected:
  // Lets a job in, if that may be; else gives the reason.
  std::string Submit(const std::string& job, const Quotas::Charge& charge) {
    status_ = quotas_.Check(charge, limits_, absl::Seconds(5), now_);
    if (status_.ok()) {
      quotas_.Begin(job, charge, limits_, now_);
      return "";
    }
    EXPECT_TRUE(absl::IsResourceExhausted(status_)) << status_;
    return GetErrorInfo(status_)->reason();
  }

  Quotas quotas_{1000};
  v1::TenantLimits limits_;
  absl::Duration now_;
  absl::Status status_;
};

TEST_F(QuotasTest, WithoutLimitsOnlyTheQueuesBytesCount) {
  EXPECT_EQ(Submit("1", {"a", 600, 1e9}), "");
  EXPECT_EQ(Submit("2", {"a", 400, 1e9}), "");
  EXPECT_EQ(Submit("3", {"b", 1, 1}), "QUEUE_FULL");
  EXPECT_EQ(GetRetryDelay(status_), absl::Seconds(5));
  quotas_.End("1", 1);
  EXPECT_EQ(Submit("3", {"b", 600, 1}), "");
  EXPECT_EQ(quotas_.bytes(), 1000U);
}

TEST_F(QuotasTest, ATenantsJobsAndBytesAreItsOwn) {
  limits_.set_max_jobs(2);
  limits_.set_max_bytes(100);
  EXPECT_EQ(Submit("1", {"a", 60, 1}), "");
  EXPECT_EQ(Submit("2", {"a", 60, 1}), "BYTE_LIMIT");
  EXPECT_TRUE(GetRetryDelay(status_));
  EXPECT_EQ(Submit("2", {"a", 101, 1}), "BYTE_LIMIT");
  EXPECT_FALSE(GetRetryDelay(status_)) << "it will never fit";
  EXPECT_EQ(Submit("2", {"a", 40, 1}), "");
  EXPECT_EQ(Submit("3", {"a", 0, 1}), "JOB_LIMIT");
  EXPECT_EQ(Submit("3", {"b", 100, 1}), "");
  quotas_.End("1", 0);
  EXPECT_EQ(Submit("4", {"a", 60, 1}), "");
}

TEST_F(QuotasTest, WorkersTimeFillsAgain) {
  limits_.set_worker_seconds_per_minute(60);
  EXPECT_EQ(Submit("1", {"a", 1, 40}), "");
  EXPECT_EQ(Submit("2", {"a", 1, 40}), "WORKER_SECONDS_LIMIT");
  EXPECT_EQ(GetRetryDelay(status_), absl::Seconds(20));
  EXPECT_EQ(Submit("2", {"b", 1, 40}), "") << "another tenant's is its own";
  now_ += absl::Seconds(20);
  EXPECT_EQ(Submit("3", {"a", 1, 40}), "");
}

TEST_F(QuotasTest, ADayIsLongerThanAMinute) {
  limits_.set_worker_seconds_per_minute(60);
  limits_.set_worker_seconds_per_day(100);
  EXPECT_EQ(Submit("1", {"a", 1, 60}), "");
  now_ += absl::Minutes(1);
  EXPECT_EQ(Submit("2", {"a", 1, 60}), "WORKER_SECONDS_LIMIT");
  EXPECT_GT(*GetRetryDelay(status_), absl::Hours(4));
  EXPECT_EQ(Submit("2", {"a", 1, 40}), "");
}

// A limit that is smaller than a job would keep it out for ever.
TEST_F(QuotasTest, AJobThatIsLargerThanTheLimitIsLetInWhenNothingWasTaken) {
  limits_.set_worker_seconds_per_minute(10);
  EXPECT_EQ(Submit("1", {"a", 1, 25}), "");
  EXPECT_EQ(Submit("2", {"a", 1, 1}), "WORKER_SECONDS_LIMIT");
  EXPECT_EQ(GetRetryDelay(status_), absl::Seconds(96));
  now_ += absl::Seconds(150);
  EXPECT_EQ(Submit("2", {"a", 1, 25}), "");
}

TEST_F(QuotasTest, WhatIsCancelledCostsNothing) {
  limits_.set_worker_seconds_per_minute(60);
  for (int i = 0; i < 200; ++i) {
    const std::string job = absl::StrCat(i);
    EXPECT_EQ(Submit(job, {"a", 1, 50}), "");
    EXPECT_EQ(quotas_.End(job, 0), 0);
  }
  EXPECT_EQ(Submit("half", {"a", 1, 50}), "");
  EXPECT_EQ(quotas_.End("half", 0.5), 25);
  EXPECT_EQ(Submit("fits", {"a", 1, 35}), "");
  EXPECT_EQ(quotas_.End("unknown", 1), 0);
}

TEST_F(QuotasTest, WhatWasUsedBeforeCountsUntilItsTimeIsOver) {
  limits_.set_worker_seconds_per_day(100);
  now_ = absl::Hours(1000);
  quotas_.TakeUp("a", 90, limits_, now_ - absl::Hours(18));
  quotas_.TakeUp("a", 60, limits_, now_ - absl::Hours(6));
  // 90 were taken, 50 had come back when 60 were taken, and 25 since.
  EXPECT_EQ(Submit("1", {"a", 1, 26}), "WORKER_SECONDS_LIMIT");
  EXPECT_EQ(Submit("1", {"a", 1, 25}), "");
  EXPECT_EQ(Submit("2", {"b", 1, 100}), "");
}

TEST_F(QuotasTest, ALimitHoldsFromWhenItIsSet) {
  EXPECT_EQ(Submit("1", {"a", 1, 1000}), "");
  limits_.set_worker_seconds_per_minute(10);
  EXPECT_EQ(Submit("2", {"a", 1, 10}), "");
  EXPECT_EQ(Submit("3", {"a", 1, 1}), "WORKER_SECONDS_LIMIT");
  limits_.set_worker_seconds_per_minute(0);
  EXPECT_EQ(Submit("3", {"a", 1, 1000}), "");
}

TEST_F(QuotasTest, ManyTenantsThatCameAndWentAreForgotten) {
  limits_.set_worker_seconds_per_minute(60);
  for (int i = 0; i < 10'000; ++i) {
    now_ += absl::Milliseconds(100);
    EXPECT_EQ(Submit(absl::StrCat(i), {absl::StrCat("tenant-", i), 1, 1}), "");
    quotas_.End(absl::StrCat(i), 1);
  }
  EXPECT_LT(quotas_.tenants(), 100U);
}

TEST_F(QuotasTest, TellsHowATenantStandsWithItsWorkersTime) {
  EXPECT_FALSE(quotas_.WorkerSeconds("a", limits_, now_));
  limits_.set_worker_seconds_per_minute(60);
  limits_.set_worker_seconds_per_day(100);
  EXPECT_EQ(quotas_.WorkerSeconds("a", limits_, now_)->remaining, 60);
  EXPECT_EQ(Submit("1", {"a", 1, 45}), "");
  EXPECT_EQ(quotas_.WorkerSeconds("a", limits_, now_)->remaining, 15);
  now_ += absl::Minutes(1);
  const auto day = quotas_.WorkerSeconds("a", limits_, now_);  // by now the scarcer
  EXPECT_EQ(day->limit, 100);
  EXPECT_NEAR(day->remaining, 55, 0.1);
  EXPECT_EQ(quotas_.WorkerSeconds("b", limits_, now_)->remaining, 60);
}

}  // namespace
}  // namespace mind::server
