#include "client/cli/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::cli {
namespace {

using ::testing::HasSubstr;

TEST(MetricsPage, HasWhatIsToldWithItsLabels) {
  const auto page = MetricsPage::Parse(
      "# HELP mind_workers Connected workers\n"
      "# TYPE mind_workers gauge\n"
      "mind_workers{state=\"ready\"} 2\n"
      "mind_workers{state=\"a \\\"strange\\\" one, with } in it\",b=\"c\"} 3 1700000000000\r\n"
      "mind_store_failing 0\n"
      "\n"
      "mind_request_duration_seconds_bucket{le=\"+Inf\"} 1e+06\n");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->samples().size(), 4U);
  EXPECT_EQ(page->Find("mind_workers", "state", "ready"), 2);
  EXPECT_EQ(page->Find("mind_workers", "state", "a \"strange\" one, with } in it"), 3);
  EXPECT_EQ(page->Find("mind_workers", "state", "busy"), std::nullopt);
  EXPECT_EQ(page->Find("mind_store_failing"), 0);
  EXPECT_EQ(page->Find("mind_request_duration_seconds_bucket", "le", "+Inf"), 1e6);
  EXPECT_EQ(page->Label("mind_workers", "state"), "ready");
  EXPECT_EQ(page->Label("mind_store_failing", "with"), "");
}

TEST(MetricsPage, WhatIsNoMetricIsNamed) {
  for (const char* const bad : {"<html>", "mind_workers{state=\"ready\" 2", "mind_workers{state=\"ready\"}",
                                "mind_workers two", "{} 1", "mind_workers{state} 1"}) {
    const auto page = MetricsPage::Parse(bad);
    ASSERT_FALSE(page.ok()) << bad;
    EXPECT_THAT(std::string(page.status().message()), HasSubstr("is no metric")) << bad;
  }
}

TEST(MetricsPage, IsFetchedFromAnAddress) {
  EXPECT_EQ(MetricsPage::Fetch("nowhere").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MetricsPage::Fetch("127.0.0.1:1").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(MetricsPage::Fetch("no.such.host.invalid:80").status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace mind::cli
