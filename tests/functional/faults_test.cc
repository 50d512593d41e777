// Killed workers, killed servers, drained workers: nothing is lost, nothing comes twice, every picture is the
// same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
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
  for (uint32_t i = 0; i < count; ++i) jobs[i] = CreateJob(*client, Varied(i));
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
  for (uint32_t i = 0; i < kJobs; ++i) jobs[i] = CreateJob(*client, Varied(i));

  // Each kill hits a worker at work, some steps further than it began.
  std::mt19937 random(1);
  for (int kill = 0; kill < kKills; ++kill) {
    const double steps = 64 + static_cast<double>(random() % 64);
    std::string victim;
    Await("a worker to be at work", [&] {
      const auto workers = client->Workers();
      for (const v1::Worker& worker : workers.value_or(std::vector<v1::Worker>())) {
        const double taken = cluster.WorkerMetric(worker.name(), "mind_denoise_steps_total");
        if (worker.running_images() > 0 && taken > steps) victim = worker.name();
      }
      return !victim.empty() || cluster.ServerMetric("mind_requests_total") >= kJobs;
    });
    if (victim.empty()) break;  // all done already
    cluster.KillWorker(victim, SIGKILL);
    cluster.StartWorker(victim, often);
  }
  for (const auto& [i, id] : jobs) EXPECT_EQ(PictureOf(cluster, id), expected.at(i)) << "job " << i;
  const auto listed = client->List(100);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->size(), kJobs);
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
  jobs[0] = CreateJob(*client, first);
  for (uint32_t i = 1; i < kJobs; ++i) jobs[i] = CreateJob(*client, Varied(i));

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
  const auto listed = cluster.NewClient()->List(100);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->size(), kJobs);
}

TEST(Faults, ADrainedWorkerHandsItsWorkOver) {
  const std::map<uint32_t, std::string> expected = Undisturbed(2);
  Cluster cluster;
  cluster.StartWorker("w0", {"--drain", "500ms"});
  const auto client = cluster.NewClient();
  std::map<uint32_t, std::string> jobs;
  for (uint32_t i = 0; i < 2; ++i) jobs[i] = CreateJob(*client, Varied(i));
  Await("work in progress", [&] { return JobNow(*client, jobs[1]).steps_done() > 3; });
  cluster.worker("w0").Kill(SIGTERM);
  EXPECT_EQ(cluster.worker("w0").Wait(), 0);
  cluster.StartWorker("w1");
  for (const auto& [i, id] : jobs) EXPECT_EQ(PictureOf(cluster, id), expected.at(i));
  EXPECT_GT(cluster.ServerMetric("mind_jobs_resumed_total"), 0);
}

TEST(Faults, ASilentWorkerLosesItsLease) {
  Cluster cluster({"--lease", "3s"});  // a busy machine must not take a living one for silent
  cluster.StartWorker("stopped");
  const auto client = cluster.NewClient();
  const std::string job = CreateJob(*client, Varied(1));
  Await("work in progress", [&] { return JobNow(*client, job).steps_done() > 0; });
  cluster.worker("stopped").Kill(SIGSTOP);
  Await("the lease to end", [&] { return cluster.ServerMetric("mind_lease_expirations_total") >= 1; });
  cluster.StartWorker("w");
  EXPECT_FALSE(PictureOf(cluster, job).empty());
  cluster.worker("stopped").Kill(SIGCONT);
}

// The worker still answers, but its engine stands still.
TEST(Faults, APictureOfAHungEngineIsMadeElsewhere) {
  const v1::JobRequest request = Request("a yellow butterfly", 3, 400);
  Cluster cluster({"--stall", "2s", "--lease", "1h"});
  cluster.StartWorker("hung", {"--checkpoint-interval", "20ms"});
  const auto client = cluster.NewClient();
  const std::string job = CreateJob(*client, request);
  Await("work in progress", [&] { return JobNow(*client, job).steps_done() > 10; });
  std::string picture;
  {
    const StoppedThread hang(cluster.worker("hung"), "steps");
    Await("that to be noticed", [&] { return cluster.ServerMetric("mind_workers", "stuck") == 1; });
    cluster.StartWorker("w");
    picture = PictureOf(cluster, job);
    EXPECT_EQ(cluster.ServerMetric("mind_workers", "stuck"), 1);
  }
  EXPECT_GT(cluster.ServerMetric("mind_jobs_resumed_total"), 0);
  // Once it moves again it lets the picture go, and makes others: the same one, for example, to the same
  // bytes.
  Await("the worker to be itself again", [&] { return cluster.ServerMetric("mind_workers", "stuck") == 0; });
  cluster.KillWorker("w", SIGKILL);
  EXPECT_EQ(PictureOf(cluster, CreateJob(*client, request)), picture);
}

// It may be what kills them: after five it is given up, however it came to that.
TEST(Faults, AJobThatTakesFiveWorkersWithItIsFailed) {
  Cluster cluster;
  const auto client = cluster.NewClient();
  const std::vector<std::string> no_checkpoints = {"--checkpoint-interval", "1h"};
  cluster.StartWorker("w0", no_checkpoints);
  const std::string job = CreateJob(*client, Request("a fish", 1, 1000));
  for (int death = 0; death < 5; ++death) {
    const std::string name = "w" + std::to_string(death);
    if (death > 0) cluster.StartWorker(name, no_checkpoints);
    Await("the job to run",
          [&] { return JobNow(*client, job).attempt() == static_cast<uint32_t>(death) + 1; });
    ASSERT_EQ(JobNow(*client, job).state(), v1::JOB_STATE_RUNNING);
    cluster.KillWorker(name, SIGKILL);
  }
  Await("the job to end", [&] { return JobNow(*client, job).has_end_time(); });
  EXPECT_EQ(JobNow(*client, job).state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(JobNow(*client, job).error().message(), ::testing::HasSubstr("lost its worker 5 times"));
}

TEST(Faults, AWorkerWhoseFilesAreDamagedFailsNobodysJob) {
  Cluster cluster;
  const std::filesystem::path models = std::filesystem::path(cluster.directory()) / "models" / "emoji";
  std::filesystem::create_directories(models.parent_path());
  std::filesystem::copy(MIND_MODELS "/emoji", models, std::filesystem::copy_options::recursive);
  cluster.StartWorker("a", {"--models", models, "--preload=false"});
  // After it has looked at them, and before it loads them.
  std::filesystem::resize_file(models / "unet" / "diffusion_pytorch_model.safetensors", 1000);
  cluster.StartWorker("b");
  const auto client = cluster.NewClient();
  std::vector<std::string> jobs;
  for (uint32_t i = 0; i < 6; ++i) jobs.push_back(CreateJob(*client, Request("a fish", i)));
  for (const std::string& job : jobs) EXPECT_FALSE(PictureOf(cluster, job).empty());
  EXPECT_GT(cluster.WorkerMetric("a", "mind_worker_image_failures_total"), 0);
  EXPECT_EQ(cluster.ServerMetric("mind_requests_total", "succeeded"), 6);
}

TEST(Faults, TheServerGoesDownCleanlyWithABacklogAndTakesItUpAgain) {
  Cluster cluster({"--grace", "2s"});
  cluster.StartWorker("w", {"--max-images", "1"});
  const auto client = cluster.NewClient();
  std::vector<std::string> jobs;
  for (uint32_t i = 0; i < 4; ++i) jobs.push_back(CreateJob(*client, Request("a fish", i, 60)));
  Await("work in progress", [&] { return JobNow(*client, jobs[0]).steps_done() > 0; });
  cluster.server().Kill(SIGTERM);
  EXPECT_EQ(cluster.server().Wait(), 0);
  cluster.StartServer();
  for (const std::string& job : jobs) EXPECT_FALSE(PictureOf(cluster, job).empty());
}

// A picture each must come once, whichever of them were told before the server died.
TEST(Faults, AWatcherOfSeveralPicturesGetsEachOnceOverARestart) {
  Cluster cluster;
  cluster.StartWorker("w", {"--max-images", "1"});  // one after the other
  v1::JobRequest request = Request("a fish", 1, 30);
  request.mutable_spec()->set_image_count(4);
  const auto client = cluster.NewClient();
  const std::string job = CreateJob(*client, request);
  std::atomic<int> count = 0;
  std::map<uint32_t, int> pictures;
  std::thread watcher([&] {
    const auto ended =
        cluster.NewClient()->Watch(job, {.event = nullptr, .picture = [&](client::Picture picture) {
                                           ++pictures[picture.index];
                                           ++count;
                                         }});
    EXPECT_TRUE(ended.ok()) << ended.status();
  });
  Await("some pictures", [&] { return count >= 2; });
  cluster.KillServer(SIGKILL);
  cluster.StartServer();
  watcher.join();
  EXPECT_EQ(pictures, (std::map<uint32_t, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}}));
}

// The files of the server may not grow, as on a disk without room. Nothing that was acknowledged may be lost.
TEST(Faults, AServerWithoutRoomOnItsDiskSaysSoAndGoesOnLater) {
  Cluster cluster({}, Cluster::Store::kSqlite);
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string kept = CreateJob(*client, Request("a fish", 1, 60));
  const std::string cancelled = CreateJob(*client, Request("a fish", 2, 1000));
  cluster.server().LimitFiles(0);
  EXPECT_TRUE(absl::IsUnavailable(client->Create(Request("a fish", 3)).status()));
  EXPECT_TRUE(absl::IsUnavailable(client->Cancel(cancelled).status()));
  Await("health to say so", [&] { return !IsServing(cluster); });
  Await("the first job's picture to be refused", [&] { return RunningImages(*client) == 0; });
  cluster.server().LimitFiles(RLIM_INFINITY);
  Await("health to say so", [&] { return IsServing(cluster); });
  EXPECT_FALSE(PictureOf(cluster, kept).empty());
  const auto now = client->Cancel(cancelled);
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(now->state(), v1::JOB_STATE_CANCELLED);
  cluster.KillServer(SIGKILL);
  cluster.StartServer();
  EXPECT_FALSE(PictureOf(cluster, kept).empty());
  EXPECT_EQ(JobNow(*client, cancelled).state(), v1::JOB_STATE_CANCELLED);
}

}  // namespace
}  // namespace mind::testing
