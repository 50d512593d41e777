// A server whose jobs are in PostgreSQL, and a database that goes away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "tests/functional/cluster.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

constexpr uint32_t kPictures = 2;

v1::JobRequest RequestOfPictures(uint64_t seed, uint32_t steps) {
  v1::JobRequest request = Request("a fish", seed, steps);
  request.mutable_spec()->set_image_count(kPictures);
  return request;
}

std::map<uint32_t, std::string> PicturesIn(Cluster& cluster, const std::string& job) {
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
  const auto undisturbed = PicturesIn(cluster, CreateJob(*client, RequestOfPictures(7, 30)));
  const double made = cluster.WorkerMetric("w", "mind_worker_images_total");
  std::vector<std::string> jobs;
  for (int i = 0; i < 2; ++i) jobs.push_back(CreateJob(*client, RequestOfPictures(7, 30)));
  Await("both jobs to be on the worker",
        [&] { return RunningImages(*client) == static_cast<int>(2 * kPictures); });
  database.Stop();
  const auto refused = client->Create(RequestOfPictures(7, 30));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(GetRetryDelay(refused.status()).has_value()) << refused.status();
  Await("the worker to finish",
        [&] { return cluster.WorkerMetric("w", "mind_worker_images_total") == made + 2 * kPictures; });
  for (const std::string& job : jobs) EXPECT_NE(JobNow(*client, job).state(), v1::JOB_STATE_SUCCEEDED);
  database.Start();
  for (const std::string& job : jobs) EXPECT_EQ(PicturesIn(cluster, job), undisturbed);
  Await("jobs to be taken again", [&] { return client->Create(RequestOfPictures(7, 3)).ok(); });
}

// The server dies while the database is away: what was acknowledged is there when both are back.
TEST(Database, AServerThatDiesMeanwhileLosesNothing) {
  support::PostgresServer& database = support::SharedPostgres();
  Cluster cluster({}, Cluster::Store::kPostgres);
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string ended = CreateJob(*client, RequestOfPictures(7, 10));
  const auto undisturbed = PicturesIn(cluster, ended);
  const std::string running = CreateJob(*client, RequestOfPictures(7, 10));
  database.Stop();
  cluster.KillServer(SIGKILL);
  database.Start();
  cluster.StartServer();
  EXPECT_EQ(PicturesIn(cluster, running), undisturbed);
  EXPECT_EQ(PicturesIn(cluster, ended), undisturbed);
}

// A cluster on a database that is not the one of all tests.
std::vector<std::string> On(const std::string& url) {
  return {"--store", url, "--leader-lease", "1500ms", "--grace", "3s"};
}

TEST(Database, AServerThatIsThereFirstWaitsForIt) {
  support::PostgresServer database;
  database.Stop();
  Cluster cluster(On(database.UrlOf("postgres")), Cluster::Store::kSqlite);
  EXPECT_FALSE(IsServing(cluster));
  const auto refused = cluster.NewClient()->Create(RequestOfPictures(7, 3));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(GetRetryDelay(refused.status()).has_value()) << refused.status();
  EXPECT_THAT(cluster.server().Errors(), ::testing::HasSubstr("waits for the database"));
  database.Start();
  Await("health to say so", [&] { return IsServing(cluster); });
  cluster.StartWorker("w");
  EXPECT_EQ(PicturesIn(cluster, CreateJob(*cluster.NewClient(), RequestOfPictures(7, 3))).size(), kPictures);
}

TEST(Database, AServerThatIsNotLetInSaysSoAndEnds) {
  const support::TemporaryFolder folder;
  for (const std::string& url : {support::SharedPostgres().UrlOf("no_such_database"),
                                 support::SharedPostgres().UrlOf("postgres") + "&user=nobody"}) {
    support::Process server({absl::StrCat(MIND_BIN, "/mind-server"), "--listen", "127.0.0.1:0", "--metrics",
                             "127.0.0.1:0", "--store", url},
                            folder.string() + "/server");
    EXPECT_EQ(server.Wait(), 1) << url;
    EXPECT_THAT(server.Errors(), ::testing::HasSubstr("does not let this server in"));
    EXPECT_THAT(server.Errors(), ::testing::HasSubstr("does not exist"));
  }
}

// It comes, and does not let the server in that has waited for it.
TEST(Database, AServerThatHasWaitedInVainSaysSoAndEnds) {
  support::PostgresServer database;
  database.Stop();
  Cluster cluster(On(database.UrlOf("no_such_database")), Cluster::Store::kSqlite);
  database.Start();
  EXPECT_EQ(cluster.server().Wait(), 1);
  EXPECT_THAT(cluster.server().Errors(), ::testing::HasSubstr("no_such_database\\\" does not exist"));
}

TEST(Database, OneThatHangsKeepsNoServerFromGoingDown) {
  support::PostgresServer database;
  Cluster cluster(On(database.UrlOf("postgres")), Cluster::Store::kSqlite);
  Await("health to say so", [&] { return IsServing(cluster); });
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  CreateJob(*client, RequestOfPictures(7, 3));
  const auto unhang = database.Hang();
  std::thread waits([&] {
    const auto refused = cluster.NewClient()->Generate(RequestOfPictures(7, 3), {}, absl::ZeroDuration());
    EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  });
  Await("a commit to hang",
        [&] { return cluster.ServerMetric("mind_server_open_calls", "GenerateImage") > 0; });
  cluster.server().Kill(SIGTERM);
  EXPECT_EQ(cluster.server().Wait(), 0);  // what does not come to its end in time ends with 1
  waits.join();
}

TEST(Database, ASlowOneLosesAndRefusesNothing) {
  support::PostgresServer database;
  Cluster cluster(On(database.UrlOf("postgres")), Cluster::Store::kSqlite);
  Await("health to say so", [&] { return IsServing(cluster); });
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto undisturbed = PicturesIn(cluster, CreateJob(*client, RequestOfPictures(7, 5)));
  for (const char* const table : {"jobs", "images"}) {
    database.Sql(absl::StrCat(
        "CREATE FUNCTION slow_", table, "() RETURNS trigger LANGUAGE plpgsql AS ",
        "$$BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END$$; CREATE TRIGGER slow AFTER INSERT ON ", table,
        " FOR EACH STATEMENT EXECUTE FUNCTION slow_", table, "()"));
  }
  std::vector<std::string> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(CreateJob(*client, RequestOfPictures(7, 5)));
  for (const std::string& job : jobs) EXPECT_EQ(PicturesIn(cluster, job), undisturbed);
  EXPECT_TRUE(IsServing(cluster));
}

// Longer than a statement waits for a lock.
TEST(Database, OneThatIsLockedIsSaidToBeAndComesBack) {
  support::PostgresServer database;
  Cluster cluster(On(database.UrlOf("postgres")), Cluster::Store::kSqlite);
  Await("health to say so", [&] { return IsServing(cluster); });
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto undisturbed = PicturesIn(cluster, CreateJob(*client, RequestOfPictures(7, 5)));
  const std::string running = CreateJob(*client, RequestOfPictures(7, 30));
  Await("the worker to begin", [&] { return RunningImages(*client) == static_cast<int>(kPictures); });
  PGconn* const holds = PQconnectdb(database.UrlOf("postgres").c_str());
  PQclear(PQexec(holds, "BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"));
  const auto refused = client->Create(RequestOfPictures(7, 5));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(GetRetryDelay(refused.status()).has_value()) << refused.status();
  Await("health to say so", [&] { return !IsServing(cluster); });
  PQfinish(holds);
  Await("health to say so", [&] { return IsServing(cluster); });
  EXPECT_EQ(PicturesIn(cluster, running).size(), kPictures);
  EXPECT_EQ(PicturesIn(cluster, CreateJob(*client, RequestOfPictures(7, 5))), undisturbed);
}

TEST(Database, AFullOneLosesNothingRefusesWithATimeAndGoesOnWithRoom) {
  // Seen by this thread and its children alone, and gone with them.
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  const support::TemporaryFolder folder;
  const passwd* const user = getpwnam("postgres");
  const std::string options = absl::StrCat("size=12m,mode=700,uid=", user->pw_uid, ",gid=", user->pw_gid);
  ASSERT_EQ(mount("tmpfs", folder.string().c_str(), "tmpfs", 0, options.c_str()), 0);
  const absl::Cleanup unmount = [&] { umount2(folder.string().c_str(), MNT_DETACH); };
  support::PostgresServer database;
  database.Sql("CREATE TABLESPACE small LOCATION '" + folder.string() + "'");
  Cluster cluster(On(database.UrlOf("postgres") + "&options=-cdefault_tablespace%3Dsmall"),
                  Cluster::Store::kSqlite);
  Await("health to say so", [&] { return IsServing(cluster); });
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto undisturbed = PicturesIn(cluster, CreateJob(*client, RequestOfPictures(7, 3)));
  const std::string filler = folder.string() + "/filler";
  const auto fill = [&] {
    std::ofstream file(filler, std::ios::app);
    const std::string page(4096, 'x');
    while (file.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
    }
  };
  // Pages that are there take some more, and what is rolled back leaves room.
  std::vector<std::string> acknowledged;
  absl::Status refused;
  Await("a refusal that stays", [&] {
    fill();
    const auto job = client->Create(RequestOfPictures(7, 3));
    if (job.ok()) acknowledged.push_back(job->id());
    refused = job.status();
    return !job.ok() && !IsServing(cluster) && cluster.ServerMetric("mind_store_failing") == 1;
  });
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_TRUE(GetRetryDelay(refused).has_value()) << refused;
  std::filesystem::remove(filler);
  Await("health to say so", [&] { return IsServing(cluster); });
  for (const std::string& job : acknowledged) EXPECT_EQ(PicturesIn(cluster, job), undisturbed);
  EXPECT_EQ(PicturesIn(cluster, CreateJob(*client, RequestOfPictures(7, 3))), undisturbed);
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
