// What it costs a server to refuse: by the processor's time that it takes, whoever else is at work here.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/trust/key_text.h"
#include "tests/functional/cluster.h"
#include "tests/functional/harm.h"
#include "tests/functional/new_key.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kCreate[] = "mind.v1.GenerationService/CreateJob";
constexpr uint64_t kMiB = 1 << 20;

v1::JobRequest WithPicture(size_t mebibytes) {
  v1::JobRequest job = Request("a cat", 1);
  job.mutable_spec()->set_source_image(std::string(mebibytes << 20, 'x'));
  return job;
}

class HostileRefusals : public ::testing::Test {
 protected:
  HostileRefusals() {
    const absl::Status limited = server::ChangeKeyFile(keys_, [](server::KeyTable& table) {
      table.tenants["bad"].set_max_bytes(1 << 20);
      table.tenants["flood"].set_requests_per_minute(1);
      return absl::OkStatus();
    });
    EXPECT_TRUE(limited.ok()) << limited;
    cluster_.emplace(std::vector<std::string>{"--keys", keys_});
    cluster_->SetKey(all_);
    cluster_->StartWorker("w");
  }

  // Makes this call so many times, some at a time, and gives the processor's seconds that one takes.
  double CostOf(const RawRequest& request, int times, int at_once, grpc::StatusCode expected) {
    const auto channel = NewChannel(cluster_->address());
    int begun = 0, ended = 0;
    const double before = ProcessorSeconds(cluster_->server().pid());
    CallMany(
        channel, at_once,
        [&]() -> std::optional<RawRequest> {
          if (begun == times) return std::nullopt;
          ++begun;
          return request;
        },
        [&](const grpc::Status& status) {
          ++ended;
          EXPECT_EQ(status.error_code(), expected) << status.error_message();
        });
    EXPECT_EQ(ended, times);
    return (ProcessorSeconds(cluster_->server().pid()) - before) / times;
  }

  const support::TemporaryFolder folder_;
  const std::string keys_ = folder_ / "keys";
  const std::string all_ =
      NewKey(keys_, "ops", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_ADMIN, v1::SCOPE_WORKER});
  const std::string bad_ = NewKey(keys_, "bad", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  const std::string flood_ = NewKey(keys_, "flood", {v1::SCOPE_GENERATE});
  const std::string proxy_ = NewKey(keys_, "backend", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_PROXY});
  std::optional<Cluster> cluster_;
};

TEST_F(HostileRefusals, TakeLittleOfTheProcessor) {
  using Code = grpc::StatusCode;
  const grpc::ByteBuffer small = BytesOf(Request("a cat", 1)), large = BytesOf(WithPicture(60));
  v1::JobRequest wrong = Request("a cat", 1);
  wrong.mutable_spec()->set_steps(1'000'000);
  struct Kind {
    const char* name;
    RawRequest request;
    int times;
    Code code;
    double most;  // milliseconds
  };
  const std::string nobody = server::ToText(server::NewKeyText());
  const std::vector<Kind> kinds = {
      {"no key", {kCreate, "", "", small}, 5000, Code::UNAUTHENTICATED, 1},
      {"a wrong key", {kCreate, nobody, "", small}, 5000, Code::UNAUTHENTICATED, 1},
      {"in another's name", {kCreate, bad_, "good", small}, 5000, Code::PERMISSION_DENIED, 1},
      {"too many calls", {kCreate, flood_, "", small}, 5000, Code::RESOURCE_EXHAUSTED, 1},
      {"a name that comes once", {kCreate, proxy_, "once", BytesOf(wrong)}, 5000, Code::INVALID_ARGUMENT, 1},
      {"60 MiB of nobody's", {kCreate, nobody, "", large}, 20, Code::UNAUTHENTICATED, 20},
      {"60 MiB with too many calls", {kCreate, flood_, "", large}, 20, Code::RESOURCE_EXHAUSTED, 20},
  };
  CostOf({kCreate, flood_, "", BytesOf(wrong)}, 1, 1, Code::INVALID_ARGUMENT);  // its one call
  for (const Kind& kind : kinds) {
    const double cost = 1e3 * CostOf(kind.request, kind.times, 8, kind.code);
    std::printf("%-28s %8.3f ms of the processor a call\n", kind.name, cost);
    EXPECT_LT(cost, kind.most) << kind.name;
  }
}

// Of no method: what nobody is let in with is not read.
TEST_F(HostileRefusals, LargeMessagesOfStrangersAreNotKept) {
  const uint64_t before = cluster_->server().PeakMemory();
  const grpc::ByteBuffer large = BytesOf(WithPicture(60));
  for (const char* const method :
       {kCreate, "mind.v1.GenerationService/GenerateImage", "mind.v1.GenerationService/ListModels",
        "mind.v1.KeyService/CreateKey", "mind.v1.WorkerService/Connect"}) {
    CostOf({method, "", "", large}, 16, 16, grpc::StatusCode::UNAUTHENTICATED);
  }
  const uint64_t most = cluster_->server().PeakMemory();
  std::printf("beside 16 messages of 60 MiB at a time: %lu MiB, and %lu before\n", most / kMiB,
              before / kMiB);
  EXPECT_LT(most, before + 256 * kMiB);
}

TEST_F(HostileRefusals, WhatIsPackedIsNotUnpacked) {
  const uint64_t before = cluster_->server().PeakMemory();
  // Less than a megabyte on the wire.
  const grpc::Slice zeros(std::string(128 * kMiB, '\0'));
  CostOf({.method = kCreate, .key = "", .tenant = "", .bytes = grpc::ByteBuffer(&zeros, 1), .packed = true},
         4, 4, grpc::StatusCode::UNIMPLEMENTED);
  const uint64_t most = cluster_->server().PeakMemory();
  std::printf("beside 4 messages that unpack to 128 MiB each: %lu MiB, and %lu before\n", most / kMiB,
              before / kMiB);
  EXPECT_LT(most, before + 64 * kMiB);
}

// Calls that never say what they want.
TEST_F(HostileRefusals, HalfOpenCallsOfAConnectionAreBounded) {
  constexpr int kCalls = 1500;
  grpc::GenericStub stub(NewChannel(cluster_->address()));
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::GenericClientAsyncReaderWriter>> calls;
  for (int i = 0; i < kCalls; ++i) {
    grpc::ClientContext& context = *contexts.emplace_back(std::make_unique<grpc::ClientContext>());
    context.AddMetadata("authorization", "Bearer " + bad_);
    calls.push_back(stub.PrepareCall(&context, "/mind.v1.GenerationService/WatchJob", &queue));
    calls.back()->StartCall(nullptr);
  }
  const auto open = [this] { return cluster_->ServerMetric("mind_server_open_calls", "WatchJob"); };
  Await("as many to be open as may be", [&] { return open() >= 1000; });
  EXPECT_TRUE(cluster_->ClientOf(bad_)->Models().ok());
  EXPECT_EQ(open(), 1000);
  // One that ends makes room for one that waits, until all have been.
  for (const auto& context : contexts) context->TryCancel();
  queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
  }
  Await("none to be open", [&] { return open() == 0; });
}

// More connections than files may be open: who comes later is served, when they have gone.
TEST_F(HostileRefusals, ConnectionsThatAreTooManyShutNobodyOut) {
  const rlimit few{.rlim_cur = 128, .rlim_max = 128};
  ASSERT_EQ(prlimit(cluster_->server().pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  const int port = std::atoi(cluster_->address().substr(cluster_->address().rfind(':') + 1).c_str());
  std::vector<int> held;
  for (int i = 0; i < 300; ++i) held.push_back(support::Connect(port));
  for (const int fd : held) close(fd);
  const auto client = cluster_->ClientOf(bad_);
  Await("others to be served", [&] { return client->Models().ok(); });
}

}  // namespace
}  // namespace mind::testing
