#include "server/http/sdapi_tasks.h"

#include <gtest/gtest.h>

namespace mind::server {
namespace {

TEST(SdapiTasks, ACallIsFoundByItsIdOrAsTheNewestOfItsCaller) {
  SdapiTasks tasks;
  EXPECT_EQ(tasks.Find("a", ""), nullptr);
  const SdapiTaskPtr first = tasks.Begin("a", "one", absl::UnixEpoch());
  const SdapiTaskPtr second = tasks.Begin("a", "", absl::UnixEpoch());
  const SdapiTaskPtr other = tasks.Begin("b", "one", absl::UnixEpoch());
  EXPECT_EQ(tasks.Find("a", ""), second);
  EXPECT_EQ(tasks.Find("a", "one"), first);
  EXPECT_EQ(tasks.Find("b", "one"), other);
  EXPECT_EQ(tasks.Find("b", "two"), nullptr);
  tasks.End(second);
  EXPECT_EQ(tasks.Find("a", ""), first);
}

TEST(SdapiTasks, OfCallsOfOneIdTheNewestIsMeant) {
  SdapiTasks tasks;
  const SdapiTaskPtr first = tasks.Begin("a", "one", absl::UnixEpoch());
  const SdapiTaskPtr second = tasks.Begin("a", "one", absl::UnixEpoch());
  EXPECT_EQ(tasks.Find("a", "one"), second);
  tasks.End(second);
  EXPECT_EQ(tasks.Find("a", "one"), first);
  tasks.End(first);
  EXPECT_EQ(tasks.Find("a", "one"), nullptr);
  EXPECT_TRUE(tasks.HasEnded("a", "one"));
  EXPECT_FALSE(tasks.HasEnded("b", "one"));
}

}  // namespace
}  // namespace mind::server
