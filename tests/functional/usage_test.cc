// `mind usage` of a real server: the same after it was killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Ask(const Cluster& cluster, const std::vector<std::string>& flags) {
  static int asked = 0;
  std::vector<std::string> command = {MIND_BIN "/mind", "--server", cluster.address(), "usage"};
  command.insert(command.end(), flags.begin(), flags.end());
  Process mind(command, absl::StrCat(cluster.directory(), "/usage-", ++asked));
  EXPECT_EQ(mind.Wait(), 0) << mind.Errors();
  return mind.Output();
}

TEST(Usage, IsTheSameAfterARestart) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient("acme");
  v1::JobRequest request = Request("a fish", 1, 10);
  request.mutable_spec()->set_image_count(2);
  const auto ended = client->Watch(CreateJob(*client, request), {});
  ASSERT_TRUE(ended.ok()) << ended.status();
  const std::string before = Ask(cluster, {});
  EXPECT_THAT(before, StartsWith("day,tenant,key,model,jobs,images,steps,worker_seconds\r\n"));
  EXPECT_THAT(before, HasSubstr(",acme,,\"emoji\",1,2,20,"));
  cluster.KillServer(SIGKILL);
  cluster.StartServer();
  EXPECT_EQ(Ask(cluster, {}), before);
  EXPECT_EQ(Ask(cluster, {"--of", "acme", "--since", "2020-01-01"}), before);
  EXPECT_EQ(Ask(cluster, {"--until", "2020-01-01"}),
            "day,tenant,key,model,jobs,images,steps,worker_seconds\r\n");
  EXPECT_THAT(Ask(cluster, {"--json"}), HasSubstr(R"("tenant":"acme")"));
}

}  // namespace
}  // namespace mind::testing
