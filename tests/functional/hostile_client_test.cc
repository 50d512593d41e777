// Programs outside that mean harm, beside a tenant that means none.
//
// Some seconds of it; MIND_HOSTILE_TENANTS=1000000 names so many tenants instead of 20 000, and
// MIND_HOSTILE_TIMES=2 is what is meant of how many times as long a picture may take, for a machine with
// nothing else to do.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mind/v1/generation.grpc.pb.h"
#include "server/trust/key_file.h"
#include "tests/functional/cluster.h"
#include "tests/functional/harm.h"
#include "tests/functional/new_key.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

// What the server may come to take beside what it takes at rest: its queue's bytes, HTTP's bodies, gRPC's
// messages, and what the allocator keeps.
constexpr uint64_t kMemoryBudget = uint64_t{1536} << 20;
constexpr int kAsked = 30;       // requests whose times are compared
constexpr int kLargeAtOnce = 4;  // messages of nobody's
// Other programs on this machine may take what they like, when they like.
constexpr double kSlowest = 5;

// That are named.
int Tenants() {
  const char* const value = std::getenv("MIND_HOSTILE_TENANTS");
  return value != nullptr ? std::atoi(value) : 20'000;
}

double Slowest() {
  const char* const value = std::getenv("MIND_HOSTILE_TIMES");
  return value != nullptr ? std::atof(value) : kSlowest;
}

int PortIn(const std::string& line) {
  return std::atoi(line.c_str() + line.find("port ") + 5);
}

class HostileClient : public ::testing::Test {
 protected:
  HostileClient() {
    const absl::Status limited = server::ChangeKeyFile(keys_, [](server::KeyTable& table) {
      v1::TenantLimits& limits = table.tenants["bad"];
      limits.set_max_jobs(5);
      limits.set_max_bytes(1 << 20);
      limits.set_max_running_images(1);
      table.tenants["flood"].set_requests_per_minute(60);
      return absl::OkStatus();
    });
    EXPECT_TRUE(limited.ok()) << limited;
    cluster_.emplace(
        std::vector<std::string>{"--keys", keys_, "--http", "127.0.0.1:0", "--max-queue-bytes", "64MiB"});
    cluster_->SetKey(all_);
    cluster_->StartWorker("w");
    http_port_ = PortIn(cluster_->server().AwaitLine("http on port "));
    grpc_port_ = std::atoi(cluster_->address().substr(cluster_->address().rfind(':') + 1).c_str());
  }

  // One call with that key, and for that tenant if one is named.
  template <typename Call>
  static grpc::Status As(const std::string& key, const std::string& tenant, const Call& call) {
    grpc::ClientContext context;
    LimitTime(context);
    if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
    if (!tenant.empty()) context.AddMetadata("mind-tenant", tenant);
    return call(context);
  }
  // `id`, if given, becomes the job's.
  static grpc::Status Create(v1::GenerationService::Stub& stub, const std::string& key,
                             const v1::JobRequest& job, const std::string& tenant = "",
                             std::string* id = nullptr) {
    return As(key, tenant, [&](grpc::ClientContext& context) {
      v1::CreateJobRequest request;
      *request.mutable_job() = job;
      v1::CreateJobResponse response;
      const grpc::Status status = stub.CreateJob(&context, request, &response);
      if (id != nullptr) *id = response.job().id();
      return status;
    });
  }

  // --- Harm.

  void Flood(Harm& harm) {
    harm.Do(2, [this, stub = std::shared_ptr(NewStub(cluster_->address()))] {
      Create(*stub, bad_, Request("a cat", 1, 1000));    // more jobs than it may have
      Create(*stub, flood_, Request("a cat", 1, 1000));  // more calls than it may make
      Create(*stub, "", Request("a cat", 1));
      Create(*stub, server::ToText(server::NewKeyText()), Request("a cat", 1));
      Create(*stub, bad_, Request("a cat", 1), "good");  // in somebody else's name
    });
  }
  void BringTooMuch(Harm& harm) {
    v1::JobRequest labelled = Request("a cat", 1);
    for (int i = 0; i < 500; ++i) {
      (*labelled.mutable_labels())[absl::StrCat("label", i)] = std::string(1000, 'x');
    }
    const auto with_picture = [](size_t mebibytes) {
      v1::JobRequest job = Request("a cat", 1);
      job.mutable_spec()->set_source_image(std::string(mebibytes << 20, 'x'));
      return BytesOf(job);
    };
    const std::vector<grpc::ByteBuffer> requests = {
        BytesOf(labelled), BytesOf(Request(std::string(1 << 20, 'x'), 1)), with_picture(15),
        with_picture(70)};  // no message is so large
    harm.Do(2, [this, requests, channel = NewChannel(cluster_->address())] {
      for (const grpc::ByteBuffer& request : requests) CreateInVain(channel, bad_, request);
    });
    // Large ones of nobody, many at a time.
    harm.Do(kLargeAtOnce, [request = with_picture(60), channel = NewChannel(cluster_->address())] {
      CreateInVain(channel, "", request);
    });
  }
  void AskForWhatIsNotTheirs(Harm& harm, const std::string& id) {
    harm.Do(1, [this, id, stub = std::shared_ptr(NewStub(cluster_->address()))] {
      for (const std::string& other : {id, std::string(10'000, 'j'), std::string("job-\0\1", 6)}) {
        EXPECT_FALSE(As(bad_, "", [&](grpc::ClientContext& context) {
                       v1::GetJobRequest request;
                       request.set_id(other);
                       v1::GetJobResponse response;
                       return stub->GetJob(&context, request, &response);
                     }).ok());
        EXPECT_FALSE(As(bad_, "", [&](grpc::ClientContext& context) {
                       v1::DeleteJobRequest request;
                       request.set_id(other);
                       v1::DeleteJobResponse response;
                       return stub->DeleteJob(&context, request, &response);
                     }).ok());
      }
      support::HttpGet(
          support::Connect(http_port_),
          absl::StrCat("/v1/files/", id, "/0?expires=9999999999&signature=", std::string(64, 'a')));
    });
  }
  // Connections that begin something and do not go on with it; bodies that never end.
  void HoldOpen(Harm& harm) {
    harm.Do(1, [this, &harm] {
      struct Held {
        std::vector<int> sockets;
        ~Held() {
          for (const int fd : sockets) close(fd);
        }
        int Connect(int port) { return sockets.emplace_back(support::Connect(port)); }
      } held;
      const std::string head = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\n";
      const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
      for (int i = 0; i < 200; ++i) {
        const int fd = held.Connect(i % 2 == 0 ? http_port_ : grpc_port_);
        support::SendAll(fd, i % 2 == 1   ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                             : i % 4 == 0 ? head
                                          : absl::StrCat(head, "Content-Length: 30000000\r\n\r\n{"));
      }
      for (const std::string& key : {std::string(), bad_}) {
        const int fd = held.Connect(http_port_);
        support::SendAll(fd, absl::StrCat(head, key.empty() ? "" : "Authorization: Bearer " + key + "\r\n",
                                          "Transfer-Encoding: chunked\r\n\r\n"));
        // Until the server has had enough.
        while (!harm.over() && send(fd, chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
        }
      }
    });
  }
  // Each once, by many calls at a time; of some a job that they give up.
  void NameTenants(Harm& harm) {
    constexpr int kAtOnce = 64, kPart = 1000, kOfSo = 50;
    v1::JobRequest wrong = Request("a cat", 1);
    wrong.mutable_spec()->set_steps(1'000'000);
    const grpc::ByteBuffer lists = BytesOf(v1::ListJobsRequest()), creates = BytesOf(wrong);
    harm.DoEach(1, (Tenants() + kPart - 1) / kPart,
                [this, lists, creates, channel = NewChannel(cluster_->address())](int part) {
                  int number = part * kPart;
                  CallMany(
                      channel, kAtOnce,
                      [&]() -> std::optional<RawRequest> {
                        if (number == std::min((part + 1) * kPart, Tenants())) return std::nullopt;
                        const bool list = number % 2 == 0;
                        return RawRequest{.method = absl::StrCat("mind.v1.GenerationService/",
                                                                 list ? "ListJobs" : "CreateJob"),
                                          .key = proxy_,
                                          .tenant = absl::StrCat("tenant-", number++),
                                          .bytes = list ? lists : creates};
                      },
                      [](const grpc::Status&) {});
                });
    harm.DoEach(1, Tenants() / kOfSo,
                [this, stub = std::shared_ptr(NewStub(cluster_->address()))](int number) {
                  const std::string tenant = absl::StrCat("tenant-", number * kOfSo);
                  v1::JobRequest job = Request("a cat", 1, 1);
                  job.set_priority(v1::PRIORITY_LOW);
                  v1::CancelJobRequest cancel;
                  Create(*stub, proxy_, job, tenant, cancel.mutable_id());
                  As(proxy_, tenant, [&](grpc::ClientContext& context) {
                    v1::CancelJobResponse response;
                    return stub->CancelJob(&context, cancel, &response);
                  });
                });
  }

  // The median time of a picture, in seconds; each is made.
  double TimeOfAPicture(client::Client& client) {
    std::vector<double> seconds;
    for (int i = 0; i < kAsked; ++i) {
      const absl::Time begin = absl::Now();
      const auto job = client.Generate(Request("a red apple", static_cast<uint64_t>(i), 5), {});
      EXPECT_TRUE(job.ok()) << job.status();
      seconds.push_back(absl::ToDoubleSeconds(absl::Now() - begin));
    }
    std::nth_element(seconds.begin(), seconds.begin() + kAsked / 2, seconds.end());
    return seconds[kAsked / 2];
  }

  const support::TemporaryFolder folder_;
  const std::string keys_ = folder_ / "keys";
  const std::string all_ =
      NewKey(keys_, "ops", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_ADMIN, v1::SCOPE_WORKER});
  const std::string good_ = NewKey(keys_, "good", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  const std::string bad_ = NewKey(keys_, "bad", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  const std::string flood_ = NewKey(keys_, "flood", {v1::SCOPE_GENERATE});
  const std::string proxy_ = NewKey(keys_, "backend", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_PROXY});
  std::optional<Cluster> cluster_;
  int http_port_ = 0, grpc_port_ = 0;
};

TEST_F(HostileClient, OthersAreServedAllTheSame) {
  const auto good = cluster_->ClientOf(good_);
  const auto own = good->Generate(Request("a red apple", 1, 5), {});
  ASSERT_TRUE(own.ok()) << own.status();
  const double undisturbed = TimeOfAPicture(*good);
  double disturbed = 0;
  {
    Harm names;  // goes on alone when the rest is over: a million take minutes
    {
      Harm harm;
      Flood(harm);
      BringTooMuch(harm);
      AskForWhatIsNotTheirs(harm, own->id());
      HoldOpen(harm);
      NameTenants(names);
      harm.AwaitFirsts();
      disturbed = TimeOfAPicture(*good);
    }
    names.AwaitNumbers();
  }
  EXPECT_TRUE(cluster_->server().running());
  const uint64_t most = cluster_->server().PeakMemory();
  EXPECT_LT(most, kMemoryBudget);
  std::printf("a picture takes %.2f times as long beside harm; the server came to take %lu MiB\n",
              disturbed / undisturbed, most >> 20);
  EXPECT_LT(disturbed, Slowest() * undisturbed);
  // What was theirs is there; what was refused is counted, by reason.
  EXPECT_TRUE(good->Get(own->id()).ok());
  for (const char* const reason :
       {"API_KEY_MISSING", "API_KEY_INVALID", "TENANT_NOT_ALLOWED", "REQUEST_LIMIT"}) {
    EXPECT_GT(cluster_->ServerMetric("mind_call_refusals_total", reason), 0) << reason;
  }
  for (const char* const reason : {"JOB_LIMIT", "INVALID_FIELD"}) {
    EXPECT_GT(cluster_->ServerMetric("mind_request_rejections_total", reason), 0) << reason;
  }
  Await("all calls to be over", [&] { return cluster_->ServerMetric("mind_server_open_calls") <= 1; });
  EXPECT_TRUE(good->Generate(Request("a red apple", 1, 5), {}).ok());
}

}  // namespace
}  // namespace mind::testing
