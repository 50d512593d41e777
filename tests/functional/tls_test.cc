// Certificates between real processes: each knows the other by them, they are replaced while all runs, and
// whoever is refused is told why, as is whoever refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "proto/support/channel_tls.h"
#include "tests/functional/cluster.h"
#include "tests/functional/fronts.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tls_socket.h"

namespace mind::testing {
namespace {

using support::Authority;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Flags = std::vector<std::string>;

Flags operator+(Flags a, const Flags& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// What everybody of a test has: an authority, and certificates by it in files.
class Papers {
 public:
  Papers() {
    support::ReplaceFile(ca(), authority_.certificate());
    authority_
        .Issue(
            {.name = "server", .hosts = {"IP:127.0.0.1", "DNS:localhost", "URI:spiffe://studio/mind/server"}})
        .Write(Stem("server"));
    authority_.Issue({.name = "client"}).Write(Stem("client"));
  }

  const Authority& authority() const { return authority_; }
  std::string ca() const { return folder_ / "ca.crt"; }
  std::string Stem(const std::string& name) const { return folder_ / name; }
  Flags ServerFlags() const {
    return {"--tls-cert", Stem("server.crt"), "--tls-key", Stem("server.key"), "--tls-client-ca", ca()};
  }
  // Of who dials, with a certificate of that name.
  Flags DialFlags(const std::string& name) const {
    return {"--tls", "--ca", ca(), "--tls-cert", Stem(name + ".crt"), "--tls-key", Stem(name + ".key")};
  }
  Flags WorkerFlags(const std::string& worker, const Authority* by = nullptr) const {
    (by == nullptr ? authority_ : *by)
        .Issue({.name = worker, .hosts = {"URI:spiffe://studio/mind/worker/" + worker}})
        .Write(Stem(worker));
    return DialFlags(worker);
  }
  std::shared_ptr<grpc::ChannelCredentials> Dialling() const {
    const auto credentials = MakeChannelCredentials({.on = true,
                                                     .authorities = ca(),
                                                     .certificate_file = Stem("client.crt"),
                                                     .key_file = Stem("client.key")});
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return *credentials;
  }

 private:
  const support::TemporaryFolder folder_;
  const Authority authority_{"ours"};
};

class Tls : public ::testing::Test {
 protected:
  Tls() : cluster_(papers_.ServerFlags() + Flags{"--http", "127.0.0.1:0"}) {
    cluster_.DialWith(papers_.Dialling());
  }

  int HttpPort() {
    const std::string line = cluster_.server().AwaitLine("http on port ");
    return std::atoi(line.c_str() + line.find("port ") + 5);
  }
  // What `mind` says where it fails.
  std::string Mind(const Flags& flags, int status) {
    Process mind(Flags{absl::StrCat(MIND_BIN, "/mind"), "--server", cluster_.address()} + flags,
                 papers_.Stem(absl::StrCat("mind-", ++runs_)));
    EXPECT_EQ(mind.Wait(), status) << mind.Errors();
    return mind.Errors();
  }
  void AwaitSaid(Process& process, const std::string& text) {
    Await(text, [&] { return absl::StrContains(process.Errors(), text); });
  }

  const Papers papers_;
  Cluster cluster_;
  int runs_ = 0;
};

TEST_F(Tls, EveryoneKnowsEveryone) {
  cluster_.StartWorker("w", papers_.WorkerFlags("w"));
  const std::string file = papers_.Stem("apple.png");
  Mind(papers_.DialFlags("client") + Flags{"generate", "a red apple", "--steps", "5", "-o", file}, 0);
  EXPECT_GT(std::filesystem::file_size(file), 1000U);
  EXPECT_GT(cluster_.ServerMetric("mind_tls_certificate_expiry_seconds", "use=\"clients\""),
            static_cast<double>(absl::ToUnixSeconds(absl::Now())));

  // The same pages over https; links lead there too.
  support::TlsSocket socket(HttpPort(), papers_.authority().Issue({}));
  const std::string body = R"({"prompt": "a fish", "num_inference_steps": 3, "response_format": "url"})";
  socket.Send(absl::StrCat("POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                           "Content-Length: ", body.size(), "\r\n\r\n", body));
  EXPECT_THAT(socket.ReadAll(),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("\"https://localhost/v1/files/job-")));
}

TEST_F(Tls, WhoIsRefusedIsToldWhyAndSoIsWhoRefuses) {
  const absl::Time now = absl::Now();
  const Authority other("others");
  EXPECT_THAT(Mind({"--tls", "--ca", papers_.ca(), "models"}, 8),
              HasSubstr("for those who show a certificate"));
  papers_.authority()
      .Issue({.name = "old", .not_before = now - absl::Hours(2), .not_after = now - absl::Hours(1)})
      .Write(papers_.Stem("old"));
  EXPECT_THAT(Mind(papers_.DialFlags("old") + Flags{"models"}, 8),
              HasSubstr("the client's certificate (CN=old) expired on"));
  AwaitSaid(cluster_.server(), "the client's certificate (CN=old) expired on");
  other.Issue({.name = "strange"}).Write(papers_.Stem("strange"));
  EXPECT_THAT(Mind(papers_.DialFlags("strange") + Flags{"models"}, 8),
              HasSubstr("(CN=strange) is by an authority that is not among"));
  AwaitSaid(cluster_.server(), "(CN=strange) is by an authority that is not among");
  EXPECT_EQ(cluster_.ServerMetric("mind_tls_refusals_total", "CERTIFICATE_EXPIRED"), 1);

  // The server is not who the client takes it for.
  EXPECT_THAT(
      Mind(papers_.DialFlags("client") + Flags{"--tls-name", "pictures.example", "models"}, 3),
      HasSubstr(
          "the server's certificate (CN=server) is for 127.0.0.1, localhost, not for pictures.example"));
  support::ReplaceFile(papers_.Stem("others.crt"), other.certificate());
  EXPECT_THAT(Mind({"--tls", "--ca", papers_.Stem("others.crt"), "models"}, 3),
              HasSubstr("the server's certificate (CN=server) is by an authority that is not among"));
  EXPECT_THAT(Mind({"models"}, 3), HasSubstr("cannot reach"));  // without TLS
  EXPECT_THAT(Mind({"--ca", papers_.ca(), "models"}, 2), HasSubstr("--ca goes with --tls"));
  EXPECT_THAT(Mind({"--tls", "--ca", "/no/such.crt", "models"}, 2), HasSubstr("cannot read /no/such.crt"));
}

TEST_F(Tls, AWorkerIsTheOneThatItsCertificateNames) {
  const Authority other("others");
  cluster_.LaunchWorker("liar", papers_.WorkerFlags("w"));
  AwaitSaid(cluster_.worker("liar"),
            "the worker's certificate is for the name w, and it says that it is liar");
  AwaitSaid(cluster_.server(), "the worker's certificate is for the name w, and it says that it is liar");
  cluster_.LaunchWorker("client", papers_.DialFlags("client"));
  AwaitSaid(cluster_.worker("client"), "(CN=client) names no worker");
  AwaitSaid(cluster_.server(), "(CN=client) names no worker");
  cluster_.LaunchWorker("stranger", papers_.WorkerFlags("stranger", &other));
  AwaitSaid(cluster_.worker("stranger"), "(CN=stranger) is by an authority that is not among");
  AwaitSaid(cluster_.server(), "(CN=stranger) is by an authority that is not among");
  cluster_.AwaitWorkers(0);
  cluster_.StartWorker("w", papers_.WorkerFlags("w"));
}

TEST_F(Tls, CertificatesAreReplacedUnderLoadAndNoCallFails) {
  const int http = HttpPort();
  std::atomic<bool> over = false;
  std::atomic<int> calls = 0, failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!over) {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a handshake each
        const auto stub = v1::GenerationService::NewStub(
            grpc::CreateCustomChannel(cluster_.address(), papers_.Dialling(), arguments));
        grpc::ClientContext context;
        v1::ListModelsResponse response;
        const grpc::Status status = stub->ListModels(&context, {}, &response);
        if (!status.ok()) {
          ++failed;
          ADD_FAILURE() << status.error_message();
        }
        ++calls;
      }
    });
  }
  threads.emplace_back([&] {
    while (!over) {
      support::TlsSocket socket(http, papers_.authority().Issue({}));
      socket.Send("GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      if (!absl::StartsWith(socket.ReadAll(), "HTTP/1.1 200")) ++failed;
      ++calls;
    }
  });
  const std::string seen = "certificate read again";
  for (int round = 1; round <= 3; ++round) {
    const std::string name = absl::StrCat("server ", round);
    papers_.authority().IssueForLoopback(name).Write(papers_.Stem("server"));
    Await(name, [&] {
      const support::TlsSocket socket(http, {});
      return absl::StrContains(socket.subject(), name);
    });
    const int before = calls;
    Await("further calls", [&] { return calls > before + 20; });
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0) << "of " << calls;
  EXPECT_THAT(cluster_.server().Errors(), HasSubstr(seen));
}

TEST(TlsFronts, ServersKnowEachOtherAndTellTheLeaderWhoAWorkerIs) {
  const Papers papers;
  const Authority other("others");
  Fronts fronts(2, papers.ServerFlags() + Flags{"--cluster-ca", papers.ca()}, "", papers.Dialling());
  fronts.StartWorker("w", 1, papers.WorkerFlags("w"));
  v1::JobRequest request = Request("a red heart", 1, 5);
  const auto job = fronts.NewClient(1)->Generate(request, {});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);

  fronts.LaunchWorker("liar", 1, papers.WorkerFlags("w"));
  const std::string refusal = "the worker's certificate is for the name w, and it says that it is liar";
  Await(refusal, [&] { return absl::StrContains(fronts.worker("liar").Errors(), refusal); });
  EXPECT_THAT(fronts.front(0).Errors(), HasSubstr(refusal));

  // A server with a certificate by somebody else has no part in it.
  fronts.Kill(1, SIGKILL);
  other.Issue({.name = "impostor", .hosts = {"URI:spiffe://studio/mind/server"}})
      .Write(papers.Stem("impostor"));
  fronts.Start(1,
               {"--cluster-cert", papers.Stem("impostor.crt"), "--cluster-key", papers.Stem("impostor.key")});
  std::thread asks([&] { fronts.NewClient(1)->Create(request).status().IgnoreError(); });
  const std::string strange = "(CN=impostor) is by an authority that is not among";
  Await(strange, [&] { return absl::StrContains(fronts.front(0).Errors(), strange); });
  asks.join();
}

}  // namespace
}  // namespace mind::testing
