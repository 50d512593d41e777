// Streaming calls that end badly, in numbers: the server lives, no call is left over, and SIGTERM ends it
// every time.
//
// Some hundreds of calls in the suite; MIND_STRESS_CALLS=100000 and MIND_STRESS_ENDS=100 for long.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "mind/v1/generation.grpc.pb.h"
#include "tests/functional/cluster.h"
#include "tests/support/loopback.h"

namespace mind::testing {
namespace {

constexpr int kThreads = 16;      // they mostly wait
constexpr uint32_t kLong = 1000;  // steps

int FromEnvironment(const char* name, int fallback) {
  const char* const value = std::getenv(name);
  return value != nullptr ? std::atoi(value) : fallback;
}

// One that ends badly, each in another way.
void BadCall(v1::GenerationService::Stub& stub, const std::string& job, std::mt19937& random) {
  grpc::ClientContext context;
  const uint32_t kind = random() % 6;
  if (kind == 0) context.AddMetadata("mind-tenant", "two words");
  if (kind == 1)
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(random() % 20));
  const bool leaves = kind >= 2;
  if (kind % 2 == 0) {
    v1::GenerateImageRequest request;
    *request.mutable_job() = Request("a cat", random(), kLong);
    const auto reader = stub.GenerateImage(&context, request);
    v1::GenerateImageResponse response;
    for (uint32_t reads = random() % 5; leaves && reads > 0; --reads) reader->Read(&response);
    if (leaves) context.TryCancel();
    EXPECT_FALSE(reader->Finish().ok());
  } else {
    v1::WatchJobRequest request;
    request.set_id(kind == 3 ? "job-nope" : job);
    const auto reader = stub.WatchJob(&context, request);
    v1::WatchJobResponse response;
    for (uint32_t reads = random() % 5; leaves && reads > 0; --reads) reader->Read(&response);
    if (leaves) context.TryCancel();
    EXPECT_FALSE(reader->Finish().ok());
  }
}

// A connection that has begun to speak HTTP/2 and then says nothing more.
int HalfOpen(int port, const std::string& rest) {
  const int fd = support::Connect(port);
  support::SendAll(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rest);
  return fd;
}

// Closed at once, as by a host that has crashed and come back.
void Reset(int fd) {
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(fd);
}

std::unique_ptr<v1::GenerationService::Stub> StreamsStub(const std::string& address) {
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return v1::GenerationService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), own));
}

TEST(Streams, MayEndBadlyInAnyNumber) {
  const int calls = FromEnvironment("MIND_STRESS_CALLS", 400);
  Cluster cluster({"--max-queue", "100000", "--max-wait", "100h"});
  cluster.StartWorker("w");
  const auto job = cluster.NewClient()->Create(Request("a cat", 1, kLong));
  ASSERT_TRUE(job.ok()) << job.status();
  const int port = std::atoi(cluster.address().substr(cluster.address().rfind(':') + 1).c_str());
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string half_headers("\0\0\x20\1\4\0\0\0\1\x82\x86", 11);  // 32 bytes announced, 2 sent

  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(static_cast<uint32_t>(i));
      auto stub = StreamsStub(cluster.address());
      for (int call = 0; call < calls / kThreads; ++call) {
        BadCall(*stub, job->id(), random);
        if (call % 64 == 0) stub = StreamsStub(cluster.address());
        if (call % 16 == 0) Reset(HalfOpen(port, call % 32 == 0 ? settings : settings + half_headers));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(cluster.server().running());
  Await("all calls to be over", [&] {
    return cluster.ServerMetric("mind_server_open_calls", "GenerateImage") +
               cluster.ServerMetric("mind_server_open_calls", "WatchJob") ==
           0;
  });
  Await("the jobs of those who left to be over", [&] {
    return cluster.ServerMetric("mind_requests_running") + cluster.ServerMetric("mind_requests_waiting") <= 1;
  });
  const auto still = cluster.NewClient()->Get(job->id());
  ASSERT_TRUE(still.ok()) << still.status();
  EXPECT_NE(still->state(), v1::JOB_STATE_CANCELLED);
  cluster.server().Kill(SIGTERM);
  EXPECT_EQ(cluster.server().Wait(), 0);
}

// Status 0: it came to its end by itself, and was not cut off by its watchdog or by a second signal.
TEST(Streams, SigtermEndsAServerWithOpenCallsEachTime) {
  const int ends = FromEnvironment("MIND_STRESS_ENDS", 4);
  Cluster cluster({"--grace", "1s", "--max-wait", "100h"});
  cluster.StartWorker("w");
  std::mt19937 random(3);
  for (int round = 0; round < ends; ++round) {
    if (round > 0) cluster.StartServer();
    cluster.AwaitWorkers(1);
    const auto client = cluster.NewClient();
    const auto job = client->Create(Request("a cat", 1, kLong));
    ASSERT_TRUE(job.ok()) << job.status();
    // A backlog, which each server leaves to the next.
    for (int i = 0; round == 0 && i < 20; ++i) ASSERT_TRUE(client->Create(Request("a dog", 1, kLong)).ok());
    std::vector<std::unique_ptr<client::Client>> callers;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      callers.push_back(cluster.NewClient());
      threads.emplace_back([&caller = *callers.back(), &job, i] {
        if (i % 2 == 0) {
          EXPECT_FALSE(caller.Generate(Request("a cat", 2, kLong), {}).ok());
        } else {
          EXPECT_FALSE(caller.Watch(job->id(), {}, 0, absl::ZeroDuration()).ok());
        }
      });
    }
    // Callers that have stopped reading.
    std::vector<std::unique_ptr<Process>> stopped;
    for (int i = 0; i < 2; ++i) {
      stopped.push_back(
          std::make_unique<Process>(std::vector<std::string>{std::string(MIND_BIN) + "/mind", "--server",
                                                             cluster.address(), "watch", job->id()},
                                    cluster.directory() + "/stopped-" + std::to_string(i)));
    }
    Await("open calls", [&] { return cluster.ServerMetric("mind_server_open_calls", "WatchJob") >= 6; });
    for (const auto& process : stopped) process->Kill(SIGSTOP);
    cluster.server().Kill(SIGTERM);
    EXPECT_EQ(cluster.server().Wait(), 0) << round;
    for (std::thread& thread : threads) thread.join();
    stopped.clear();
  }
}

TEST(Streams, ASecondSigtermEndsTheServerAtOnce) {
  Cluster cluster({"--grace", "10m"});
  cluster.StartWorker("w");
  const auto job = cluster.NewClient()->Create(Request("a cat", 1, 1000));
  ASSERT_TRUE(job.ok()) << job.status();
  Await("work in progress", [&] {
    const auto now = cluster.NewClient()->Get(job->id());
    return now.ok() && now->state() == v1::JOB_STATE_RUNNING;
  });
  cluster.server().Kill(SIGTERM);
  Await("the server to go down",
        [&] { return absl::IsUnavailable(cluster.NewClient()->Create(Request("a dog", 1)).status()); });
  EXPECT_TRUE(cluster.server().running());  // it waits for the job
  cluster.server().Kill(SIGTERM);
  EXPECT_EQ(cluster.server().Wait(), 128 + SIGTERM);
}

}  // namespace
}  // namespace mind::testing
