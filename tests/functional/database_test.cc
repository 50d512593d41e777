// A server whose jobs are in PostgreSQL, and a database that goes away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <string>
#include <vector>

#include "proto/support/errors.h"
#include "tests/functional/cluster.h"
#include "tests/support/postgres.h"

namespace mind::testing {
namespace {

constexpr uint32_t kPictures = 2;

v1::JobRequest Pictures(uint64_t seed, uint32_t steps) {
  v1::JobRequest request = Request("a fish", seed, steps);
  request.mutable_spec()->set_image_count(kPictures);
  return request;
}

std::map<uint32_t, std::string> PicturesOf(Cluster& cluster, const std::string& job) {
  std::map<uint32_t, std::string> pictures;
  const auto ended =
      cluster.NewClient()->Watch(job, {.event = nullptr, .picture = [&](client::Picture picture) {
                                         EXPECT_TRUE(pictures.emplace(picture.index, picture.data).second);
                                       }});
  EXPECT_TRUE(ended.ok()) << ended.status();
  if (ended.ok()) {
    EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED) << ended->error().message();
  }
  return pictures;
}

// Work that the workers have goes on, and what it makes is kept until it can be written.
TEST(Database, NothingIsLostWhileItIsAwayAndWorkGoesOn) {
  support::PostgresServer& database = support::SharedPostgres();
  Cluster cluster({}, Cluster::Store::kPostgres);
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto undisturbed = PicturesOf(cluster, CreateJob(*client, Pictures(7, 30)));
  const double made = cluster.WorkerMetric("w", "mind_worker_images_total");
  std::vector<std::string> jobs;
  for (int i = 0; i < 2; ++i) jobs.push_back(CreateJob(*client, Pictures(7, 30)));
  Await("both jobs to be on the worker",
        [&] { return RunningImages(*client) == static_cast<int>(2 * kPictures); });
  database.Stop();
  const auto refused = client->Create(Pictures(7, 30));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(GetRetryDelay(refused.status()).has_value()) << refused.status();
  Await("the worker to finish",
        [&] { return cluster.WorkerMetric("w", "mind_worker_images_total") == made + 2 * kPictures; });
  for (const std::string& job : jobs) EXPECT_NE(JobNow(*client, job).state(), v1::JOB_STATE_SUCCEEDED);
  database.Start();
  for (const std::string& job : jobs) EXPECT_EQ(PicturesOf(cluster, job), undisturbed);
  Await("jobs to be taken again", [&] { return client->Create(Pictures(7, 3)).ok(); });
}

// The server dies while the database is away: what was acknowledged is there when both are back.
TEST(Database, AServerThatDiesMeanwhileLosesNothing) {
  support::PostgresServer& database = support::SharedPostgres();
  Cluster cluster({}, Cluster::Store::kPostgres);
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string ended = CreateJob(*client, Pictures(7, 10));
  const auto undisturbed = PicturesOf(cluster, ended);
  const std::string running = CreateJob(*client, Pictures(7, 10));
  database.Stop();
  cluster.KillServer(SIGKILL);
  database.Start();
  cluster.StartServer();
  EXPECT_EQ(PicturesOf(cluster, running), undisturbed);
  EXPECT_EQ(PicturesOf(cluster, ended), undisturbed);
}

TEST(Database, MetricsSayWhetherWhatIsAcceptedSurvives) {
  Cluster cluster({}, Cluster::Store::kPostgres);
  // The tests' database does not sync.
  EXPECT_EQ(cluster.ServerMetric("mind_store_synchronous", "disk"), 0);
  Cluster file({}, Cluster::Store::kSqlite);
  Await("its metrics", [&] { return file.ServerMetric("mind_store_synchronous", "disk") == 1; });
  EXPECT_EQ(file.ServerMetric("mind_store_synchronous", "standby"), 0);
}

}  // namespace
}  // namespace mind::testing
