// Several servers on one PostgreSQL: whichever dies, stops or goes, nothing accepted is lost, nothing happens
// twice, watches at the others do not break, and every picture is that of an undisturbed run, bit for bit.
#include "tests/functional/fronts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

using PicturesByNumber = std::map<uint32_t, std::string>;  // by index

v1::JobRequest LongRequest(uint64_t seed, uint32_t images = 1) {
  v1::JobRequest request = Request("a red heart", seed, 40);
  request.mutable_spec()->set_image_count(images);
  return request;
}

// Follows a job through one stream, which must not break, however often its leader does.
class Watcher {
 public:
  Watcher(const Fronts& fronts, size_t front, const std::string& job)
      : client_(fronts.NewClient(front)), thread_([this, job] { Main(job); }) {}

  // The pictures of the job, which must have come to a good end.
  PicturesByNumber Join() {
    thread_.join();
    return pictures_;
  }
  bool began() const { return began_; }
  // How far it was when it was begun last.
  uint32_t resumed_steps() const { return resumed_steps_; }

 private:
  void Main(const std::string& job) {
    uint64_t last = 0;
    client::Handlers handlers;
    handlers.event = [&](const v1::JobEvent& event) {
      EXPECT_GT(event.sequence(), last);
      last = event.sequence();
      began_ = began_ || event.has_progress();
      if (event.has_started()) resumed_steps_ = event.started().resumed_steps();
    };
    handlers.picture = [&](client::Picture picture) {
      EXPECT_TRUE(pictures_.emplace(picture.index, std::move(picture.data)).second) << "told twice";
    };
    const auto ended = client_->Watch(job, handlers, 0, absl::ZeroDuration());
    ASSERT_TRUE(ended.ok()) << ended.status();
    EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED);
  }

  const std::unique_ptr<client::Client> client_;
  PicturesByNumber pictures_;
  std::atomic<bool> began_ = false;
  std::atomic<uint32_t> resumed_steps_ = 0;
  std::thread thread_;
};

// What the same requests give when nothing goes wrong.
std::map<uint64_t, PicturesByNumber> UndisturbedFront(Fronts& fronts, uint64_t seeds, uint32_t images = 1) {
  std::map<uint64_t, PicturesByNumber> all;
  const auto client = fronts.NewClient(0);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Watcher watcher(fronts, 0, CreateJob(*client, LongRequest(seed, images)));
    all[seed] = watcher.Join();
    EXPECT_EQ(all[seed].size(), images);
  }
  return all;
}

TEST(Fronts, AKilledLeaderTakesNothingAlongAndAWatchElsewhereDoesNotBreak) {
  Fronts fronts(2);
  fronts.StartWorker("w", 1);
  const auto expected = UndisturbedFront(fronts, 4);
  std::map<uint64_t, std::string> jobs;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    jobs[seed] = CreateJob(*fronts.NewClient(seed % 2), LongRequest(seed));
  }
  std::map<uint64_t, std::unique_ptr<Watcher>> watchers;
  for (const auto& [seed, job] : jobs) watchers[seed] = std::make_unique<Watcher>(fronts, 1, job);
  Await("the first to begin", [&] { return watchers.at(1)->began(); });
  fronts.Kill(0, SIGKILL);
  for (auto& [seed, watcher] : watchers) EXPECT_EQ(watcher->Join(), expected.at(seed)) << "seed " << seed;
  EXPECT_EQ(fronts.Reigns(1), 1);
}

// Nobody who is left has ever had the picture: it goes on from what the database has.
TEST(Fronts, ALeaderAndItsWorkerThatDieTogetherCostFewSteps) {
  Fronts fronts(2, {"--checkpoint-interval", "50ms"});
  const std::vector<std::string> often = {"--checkpoint-interval", "20ms"};
  fronts.StartWorker("w", 1, often);
  const v1::JobRequest request = Request("a red heart", 1, 300);
  Watcher undisturbed(fronts, 1, CreateJob(*fronts.NewClient(1), request));
  const PicturesByNumber expected = undisturbed.Join();
  Await("the state of the first to be forgotten",
        [&] { return fronts.Sql("SELECT count(*) FROM checkpoints") == "0"; });

  Watcher watcher(fronts, 1, CreateJob(*fronts.NewClient(1), request));
  Await("a state to be kept", [&] { return fronts.Sql("SELECT max(step) FROM checkpoints") > "0"; });
  fronts.worker("w").Kill(SIGKILL);
  fronts.Kill(0, SIGKILL);
  fronts.StartWorker("another", 1, often);
  EXPECT_EQ(watcher.Join(), expected);
  EXPECT_GT(watcher.resumed_steps(), 0U);
  EXPECT_EQ(fronts.Reigns(1), 1);
}

TEST(Fronts, EachOfThreeIsKilledInTurnUnderLoad) {
  Fronts fronts(3);
  for (const char* const name : {"w0", "w1"}) fronts.StartWorker(name, name[1] - '0');
  const auto expected = UndisturbedFront(fronts, 3, 2);
  for (size_t dying = 0; dying < 3; ++dying) {
    const size_t living = (dying + 1) % 3;
    std::map<uint64_t, std::unique_ptr<Watcher>> watchers;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      watchers[seed] = std::make_unique<Watcher>(fronts, living,
                                                 CreateJob(*fronts.NewClient(living), LongRequest(seed, 2)));
    }
    Await("one to begin", [&] { return watchers.at(1)->began(); });
    fronts.Kill(dying, SIGKILL);
    for (auto& [seed, watcher] : watchers) EXPECT_EQ(watcher->Join(), expected.at(seed)) << "seed " << seed;
    fronts.Start(dying);
  }
}

TEST(Fronts, ALeaderThatIsStoppedAndGoesOnLaterDoesNoHarm) {
  Fronts fronts(2);
  fronts.StartWorker("w", 1);
  const auto expected = UndisturbedFront(fronts, 3);
  std::map<uint64_t, std::unique_ptr<Watcher>> watchers;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    watchers[seed] = std::make_unique<Watcher>(fronts, 1, CreateJob(*fronts.NewClient(1), LongRequest(seed)));
  }
  Await("the first to begin", [&] { return watchers.at(1)->began(); });
  fronts.front(0).Kill(SIGSTOP);
  Await("another leader", [&] { return fronts.Reigns(1) == 1; });
  fronts.front(0).Kill(SIGCONT);
  for (auto& [seed, watcher] : watchers) EXPECT_EQ(watcher->Join(), expected.at(seed)) << "seed " << seed;
  // It follows now, and answers as the other does.
  Watcher through(fronts, 0, CreateJob(*fronts.NewClient(0), LongRequest(2)));
  EXPECT_EQ(through.Join(), expected.at(2));
  EXPECT_EQ(fronts.Reigns(0), 1);
}

TEST(Fronts, ALeaderThatGoesDownResigns) {
  Fronts fronts(2);
  fronts.StartWorker("w", 1);
  const auto expected = UndisturbedFront(fronts, 2);
  std::map<uint64_t, std::unique_ptr<Watcher>> watchers;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    watchers[seed] = std::make_unique<Watcher>(fronts, 1, CreateJob(*fronts.NewClient(1), LongRequest(seed)));
  }
  Await("the first to begin", [&] { return watchers.at(1)->began(); });
  fronts.front(0).Kill(SIGTERM);
  EXPECT_EQ(fronts.front(0).Wait(), 0);
  for (auto& [seed, watcher] : watchers) EXPECT_EQ(watcher->Join(), expected.at(seed)) << "seed " << seed;
  EXPECT_EQ(fronts.Reigns(1), 1);
}

TEST(Fronts, ARequestIsOneJobThroughWhicheverFrontItIsSentAgain) {
  Fronts fronts(2);
  fronts.StartWorker("w", 0);
  v1::JobRequest request = LongRequest(1);
  request.set_request_id("once");
  const std::string id = CreateJob(*fronts.NewClient(0), request);
  EXPECT_EQ(CreateJob(*fronts.NewClient(1), request), id);
  fronts.Kill(0, SIGKILL);
  EXPECT_EQ(CreateJob(*fronts.NewClient(1), request), id);
}

TEST(Fronts, WhatLeavesTheMachineInTheClearIsRefused) {
  const support::TemporaryFolder folder;
  support::Process server(
      {absl::StrCat(MIND_BIN, "/mind-server"), "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
       "--store", support::SharedPostgres().NewSchema(), "--cluster", "10.0.0.1:8082"},
      folder.string() + "/server");
  EXPECT_EQ(server.Wait(), 1);
  EXPECT_THAT(server.Errors(), ::testing::HasSubstr("is not a loopback address"));
}

}  // namespace
}  // namespace mind::testing
