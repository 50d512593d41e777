#include "server/process/data_disk.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "proto/support/labelled_metric.h"
#include "tests/support/temporary_folder.h"

namespace mind::server {
namespace {

double FreeBytes(const prometheus::Registry& registry) {
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    if (family.name == "mind_data_free_bytes") return family.metric.at(0).gauge.value;
  }
  return -1;
}

TEST(DataDisk, SaysWhatRoomThereIs) {
  const support::TemporaryFolder folder;
  prometheus::Registry registry;
  absl::Duration now;
  DataDisk disk(folder.string(), registry, [&now] { return now; });
  EXPECT_GT(FreeBytes(registry), 0) << "from the start";
  GaugeFamily(registry, "mind_data_free_bytes", "What may still be written on the disk where jobs are kept")
      .Add({})
      .Set(0);
  now += absl::Minutes(1);
  disk.OnTick();
  EXPECT_GT(FreeBytes(registry), 0);
}

TEST(DataDisk, WhereThereIsNoneItSaysNone) {
  prometheus::Registry registry;
  const DataDisk disk("/no/such/folder", registry);
  EXPECT_EQ(FreeBytes(registry), 0);
}

}  // namespace
}  // namespace mind::server
