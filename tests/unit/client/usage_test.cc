#include "client/cli/usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/time.h"

namespace mind::cli {
namespace {

TEST(Usage, IsALineThatSpreadsheetsRead) {
  v1::Usage usage;
  *usage.mutable_day() = ToTimestamp(absl::FromCivil(absl::CivilDay(2026, 11, 29), absl::UTCTimeZone()));
  usage.set_tenant("acme");
  usage.set_key_id("abcdefghij");
  usage.set_model("a \"big\", model");
  usage.set_jobs(2);
  usage.set_images(8);
  usage.set_steps(160);
  usage.set_worker_seconds(12.34567);
  EXPECT_EQ(CsvOf(usage), R"(2026-11-29,acme,abcdefghij,"a ""big"", model",2,8,160,12.346)");
}

TEST(Usage, NothingIsAFormula) {
  v1::Usage usage;
  for (const std::string model : {"=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"}) {
    usage.set_model(model);
    EXPECT_THAT(CsvOf(usage), testing::HasSubstr(",\"'" + model + "\",")) << model;
  }
  usage.set_model("a=b");
  usage.set_tenant("-2");
  EXPECT_THAT(CsvOf(usage), testing::HasSubstr(",'-2,,\"a=b\","));
}

}  // namespace
}  // namespace mind::cli
