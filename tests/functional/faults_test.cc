// Killed workers, killed servers, drained workers: nothing is lost, nothing comes twice, every picture is the
// same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

std::string PictureOf(Cluster& cluster, const std::string& job) {
  std::string data;
  int pictures = 0;
  const auto ended =
      cluster.NewClient()->Watch(job, {.event = nullptr, .picture = [&](client::Picture picture) {
                                         ++pictures;
                                         data = std::move(picture.data);
                                       }});
  EXPECT_TRUE(ended.ok()) << ended.status();
  if (ended.ok()) {
    EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED) << ended->error().message();
  }
  EXPECT_EQ(pictures, 1) << job;
  return data;
}

// Requests that differ in everything that can differ.
v1::JobRequest Varied(uint32_t i) {
  const char* const samplers[] = {"ddim", "euler_a", "heun", "dpmpp_2m_karras", "pndm"};
  v1::JobRequest request =
      Request(i % 2 == 0 ? "a yellow butterfly" : "紫色的花", i, 60 + 10 * (i % 4), samplers[i % 5]);
  if (i % 5 == 0) (*request.mutable_spec()->mutable_sampler_parameters())["eta"].set_number_value(0.5);
  return request;
}

std::map<uint32_t, std::string> Undisturbed(uint32_t count) {
  Cluster cluster;
  cluster.StartWorker("w");
  std::map<uint32_t, std::string> jobs, pictures;
  const auto client = cluster.NewClient();
  for (uint32_t i = 0; i < count; ++i) jobs[i] = client->Create(Varied(i))->id();
  for (const auto& [i, id] : jobs) pictures[i] = PictureOf(cluster, id);
  return pictures;
}

TEST(Faults, WorkersMayBeKilledTenTimesOverTwentyJobs) {
  constexpr uint32_t kJobs = 20;
  constexpr int kKills = 10;
  const std::map<uint32_t, std::string> expected = Undisturbed(kJobs);

  Cluster cluster;
  const std::vector<std::string> often = {"--checkpoint-interval", "20ms"};
  cluster.StartWorker("w0", often);
  cluster.StartWorker("w1", often);
  const auto client = cluster.NewClient();
  std::map<uint32_t, std::string> jobs;
  for (uint32_t i = 0; i < kJobs; ++i) jobs[i] = client->Create(Varied(i))->id();

  std::mt19937 random(1);
  for (int kill = 0; kill < kKills; ++kill) {
    const std::string victim = "w" + std::to_string(kill % 2);
    Await("the worker to be back at work", [&] {
      const auto workers = client->Workers();
      for (const v1::Worker& worker : *workers) {
        if (worker.name() == victim && worker.running_images() > 0) return true;
      }
      // All done already: then the kill finds it idle.
      return cluster.ServerMetric("mind_requests_total") >= kJobs;
    });
    absl::SleepFor(absl::Milliseconds(random() % 400));  // a random moment is what is tested
    cluster.KillWorker(victim, SIGKILL);
    cluster.LaunchWorker(victim, often);
  }
  for (const auto& [i, id] : jobs) EXPECT_EQ(PictureOf(cluster, id), expected.at(i)) << "job " << i;
  EXPECT_EQ(client->List(100)->size(), kJobs);
  EXPECT_EQ(cluster.ServerMetric("mind_requests_total", "succeeded"), kJobs);
  EXPECT_EQ(cluster.ServerMetric("mind_images_generated_total"), kJobs);
  EXPECT_GT(cluster.ServerMetric("mind_jobs_resumed_total"), 0);
}

TEST(Faults, AKilledServerFinishesItsJobsAfterARestart) {
  constexpr uint32_t kJobs = 6;
  const std::map<uint32_t, std::string> expected = Undisturbed(kJobs);

  Cluster cluster;
  cluster.StartWorker("w", {"--max-images", "2", "--checkpoint-interval", "20ms"});  // so that some wait
  const auto client = cluster.NewClient();
  std::map<uint32_t, std::string> jobs;
  v1::JobRequest first = Varied(0);
  first.set_request_id("kept");
  jobs[0] = client->Create(first)->id();
  for (uint32_t i = 1; i < kJobs; ++i) jobs[i] = client->Create(Varied(i))->id();

  // A client that is watching when the server dies reattaches by itself.
  std::string watched;
  std::thread watcher([&] { watched = PictureOf(cluster, jobs[1]); });
  Await("work in progress", [&] {
    const auto job = client->Get(jobs[0]);
    return job.ok() && (job->steps_done() > 5 || job->state() == v1::JOB_STATE_SUCCEEDED);
  });
  cluster.KillServer(SIGKILL);
  cluster.StartServer();
  watcher.join();
  EXPECT_EQ(watched, expected.at(1));

  for (const auto& [i, id] : jobs) EXPECT_EQ(PictureOf(cluster, id), expected.at(i)) << "job " << i;
  const auto again = cluster.NewClient()->Create(first);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id(), jobs[0]);
  EXPECT_EQ(cluster.NewClient()->List(100)->size(), kJobs);
}

TEST(Faults, ADrainedWorkerHandsItsWorkOver) {
  const std::map<uint32_t, std::string> expected = Undisturbed(2);
  Cluster cluster;
  cluster.StartWorker("w0", {"--drain", "0s"});
  const auto client = cluster.NewClient();
  std::map<uint32_t, std::string> jobs;
  for (uint32_t i = 0; i < 2; ++i) jobs[i] = client->Create(Varied(i))->id();
  Await("work in progress", [&] { return client->Get(jobs[1])->steps_done() > 3; });
  cluster.worker("w0").Kill(SIGTERM);
  EXPECT_EQ(cluster.worker("w0").Wait(), 0);
  cluster.StartWorker("w1");
  for (const auto& [i, id] : jobs) EXPECT_EQ(PictureOf(cluster, id), expected.at(i));
  EXPECT_GT(cluster.ServerMetric("mind_jobs_resumed_total"), 0);
}

TEST(Faults, ASilentWorkerLosesItsLease) {
  Cluster cluster({"--lease", "500ms"});
  cluster.StartWorker("stopped");
  const auto client = cluster.NewClient();
  const std::string job = client->Create(Varied(1))->id();
  Await("work in progress", [&] { return client->Get(job)->steps_done() > 0; });
  cluster.worker("stopped").Kill(SIGSTOP);
  Await("the lease to end", [&] { return cluster.ServerMetric("mind_lease_expirations_total") == 1; });
  cluster.StartWorker("w");
  EXPECT_FALSE(PictureOf(cluster, job).empty());
  cluster.worker("stopped").Kill(SIGCONT);
}

TEST(Faults, TheServerGoesDownCleanly) {
  Cluster cluster;
  cluster.StartWorker("w");
  ASSERT_TRUE(cluster.NewClient()->Generate(Request("a fish", 1), {}).ok());
  cluster.server().Kill(SIGTERM);
  EXPECT_EQ(cluster.server().Wait(), 0);
}

}  // namespace
}  // namespace mind::testing
