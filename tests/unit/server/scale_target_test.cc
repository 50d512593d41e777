#include "server/scale/scale_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/errors.h"

namespace mind::server {
namespace {

using ::testing::HasSubstr;

externalscaler::ScaledObjectRef Trigger(const std::map<std::string, std::string>& metadata) {
  externalscaler::ScaledObjectRef object;
  for (const auto& [name, value] : metadata) (*object.mutable_scalermetadata())[name] = value;
  return object;
}

TEST(ScaleTarget, IsAModelAndSecondsOfOneWorkerForEachReplica) {
  const auto plain = ParseScaleTarget(Trigger({{"model", "sd15"}, {"scalerAddress", "front:8080"}}));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->model, "sd15");
  EXPECT_EQ(plain->seconds, 30);
  const auto given = ParseScaleTarget(Trigger({{"model", "sd15"}, {"targetSeconds", "7.5"}}));
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->seconds, 7.5);
}

TEST(ScaleTarget, WhatIsMissingOrWrongIsNamed) {
  const auto none = ParseScaleTarget(Trigger({}));
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetBadRequest(none.status())->field_violations(0).field(), "scalerMetadata.model");
  for (const char* const bad : {"0", "-1", "soon", "nan", "inf", "86401", "30s"}) {
    const auto refused = ParseScaleTarget(Trigger({{"model", "m"}, {"targetSeconds", bad}}));
    ASSERT_FALSE(refused.ok()) << bad;
    const auto violation = GetBadRequest(refused.status())->field_violations(0);
    EXPECT_EQ(violation.field(), "scalerMetadata.targetSeconds");
    EXPECT_THAT(violation.description(), HasSubstr(bad));
  }
}

TEST(ScaleTarget, WorkIsWhatWaitsAndWhatRuns) {
  internal::v1::ListWorkResponse work;
  internal::v1::ModelWork& busy = *work.add_models();
  busy.set_model("busy");
  busy.set_waiting_jobs(2);
  busy.set_waiting_seconds(40);
  busy.set_running_jobs(1);
  busy.set_running_seconds(2.5);
  internal::v1::ModelWork& last = *work.add_models();
  last.set_model("last");
  last.set_running_jobs(1);
  EXPECT_EQ(DemandOf("busy", work).seconds, 42.5);
  EXPECT_TRUE(DemandOf("busy", work).active);
  EXPECT_TRUE(DemandOf("last", work).active) << "whose last picture is being decoded";
  EXPECT_EQ(DemandOf("other", work).seconds, 0);
  EXPECT_FALSE(DemandOf("other", work).active);
}

}  // namespace
}  // namespace mind::server
