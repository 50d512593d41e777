// What a server's ports show and whom they let in, over real connections.
#include "server/process/server_tls.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mind/v1/generation.grpc.pb.h"
#include "proto/support/channel_tls.h"
#include "proto/support/errors.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace mind::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ServerTlsTest : public ::testing::Test {
 protected:
  ServerTlsTest() {
    support::ReplaceFile(Path("ca.crt"), authority_.certificate());
    authority_
        .Issue({.name = "server", .hosts = {"IP:127.0.0.1", "DNS:localhost", "URI:spiffe://d/mind/server"}})
        .Write(Path("server"));
    flags_.tls_cert = Path("server.crt");
    flags_.tls_key = Path("server.key");
  }
  ~ServerTlsTest() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  std::string Path(const std::string& name) const { return folder_ / name; }
  std::string Issue(const support::Authority::Request& request) const {
    authority_.Issue(request).Write(Path(request.name));
    return Path(request.name);
  }
  void Open() {
    auto tls = ServerTls::Open(flags_, registry_);
    ASSERT_TRUE(tls.ok()) << tls.status();
    tls_ = *std::move(tls);
  }
  void Listen(const std::shared_ptr<grpc::ServerCredentials>& credentials) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  ChannelTls Dialling(const std::string& certificate = "") const {
    ChannelTls tls{.on = true, .authorities = Path("ca.crt")};
    if (!certificate.empty())
      tls.certificate_file = certificate + ".crt", tls.key_file = certificate + ".key";
    return tls;
  }
  // What a call ends with that nobody has implemented: UNIMPLEMENTED, if it comes through.
  absl::Status Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                    const std::string& host = "127.0.0.1") const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = v1::GenerationService::NewStub(
        grpc::CreateCustomChannel(absl::StrCat(host, ":", port_), credentials, arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::ListModelsResponse response;
    return FromGrpc(stub->ListModels(&context, {}, &response));
  }
  absl::Status Call(const ChannelTls& tls) const {
    const auto credentials = MakeChannelCredentials(tls);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return Call(*credentials);
  }
  std::string Metrics() const { return prometheus::TextSerializer().Serialize(registry_->Collect()); }
  static std::string Said(const absl::Status& status) { return std::string(status.message()); }

  const support::TemporaryFolder folder_;
  const support::Authority authority_{"ours"};
  const support::Authority other_{"others"};
  Flags flags_;
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  std::unique_ptr<ServerTls> tls_;
  v1::GenerationService::Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(ServerTlsTest, AClientKnowsTheServerByItsCertificate) {
  Open();
  Listen(tls_->ForClients());
  EXPECT_TRUE(absl::IsUnimplemented(Call(Dialling()))) << Call(Dialling());
  EXPECT_TRUE(absl::IsUnavailable(Call(grpc::InsecureChannelCredentials())));

  support::ReplaceFile(Path("others.crt"), other_.certificate());
  ChannelTls wrong = Dialling();
  wrong.authorities = Path("others.crt");
  const absl::Status strange = Call(wrong);
  EXPECT_TRUE(absl::IsUnavailable(strange)) << strange;
  EXPECT_THAT(Said(strange), AllOf(HasSubstr("the server's certificate (CN=server) is by an authority that"),
                                   HasSubstr(Path("others.crt"))));
  wrong = Dialling();
  wrong.name = "pictures.example";
  EXPECT_THAT(Said(Call(wrong)), HasSubstr("is for 127.0.0.1, localhost, not for pictures.example"));
}

TEST_F(ServerTlsTest, AnExpiredServerIsRefusedWithTheReason) {
  authority_
      .Issue({.name = "old",
              .hosts = {"IP:127.0.0.1"},
              .not_before = absl::Now() - absl::Hours(2),
              .not_after = absl::Now() - absl::Hours(1)})
      .Write(Path("server"));
  Open();
  Listen(tls_->ForClients());
  const absl::Status status = Call(Dialling());
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(Said(status), HasSubstr("the server's certificate (CN=old) expired on"));
}

TEST_F(ServerTlsTest, ClientsAreLetInByTheirCertificates) {
  flags_.tls_client_ca = Path("ca.crt");
  Open();
  Listen(tls_->ForClients());
  const absl::Time now = absl::Now();
  EXPECT_TRUE(absl::IsUnimplemented(Call(Dialling(Issue({.name = "good"})))));

  const absl::Status none = Call(Dialling());
  EXPECT_TRUE(absl::IsUnauthenticated(none)) << none;
  EXPECT_THAT(Said(none), HasSubstr("for those who show a certificate"));
  const absl::Status old = Call(Dialling(
      Issue({.name = "old", .not_before = now - absl::Hours(2), .not_after = now - absl::Hours(1)})));
  EXPECT_TRUE(absl::IsUnauthenticated(old)) << old;
  EXPECT_THAT(Said(old), HasSubstr("the client's certificate (CN=old) expired on"));
  other_.Issue({.name = "strange"}).Write(Path("strange"));
  const absl::Status strange = Call(Dialling(Path("strange")));
  EXPECT_TRUE(absl::IsUnauthenticated(strange)) << strange;
  EXPECT_THAT(Said(strange), HasSubstr("(CN=strange) is by an authority that is not among those of"));
  EXPECT_THAT(Metrics(),
              AllOf(HasSubstr("mind_tls_refusals_total{reason=\"CERTIFICATE_EXPIRED\"} 1"),
                    HasSubstr("mind_tls_refusals_total{reason=\"CERTIFICATE_MISSING\"} 1"),
                    HasSubstr("mind_tls_refusals_total{reason=\"CERTIFICATE_UNKNOWN_AUTHORITY\"} 1")));
}

TEST_F(ServerTlsTest, WhereNoneIsRequiredOnlyBadOnesAreRefused) {
  flags_.tls_client_ca = Path("ca.crt");
  flags_.tls_client_required = false;
  Open();
  Listen(tls_->ForClients());
  EXPECT_TRUE(absl::IsUnimplemented(Call(Dialling())));
  other_.Issue({.name = "strange"}).Write(Path("strange"));
  EXPECT_TRUE(absl::IsUnauthenticated(Call(Dialling(Path("strange")))));
}

TEST_F(ServerTlsTest, HealthIsToldToEverybody) {
  flags_.tls_client_ca = Path("ca.crt");
  Open();
  Listen(tls_->ForClients());
  const auto credentials = MakeChannelCredentials(Dialling());
  const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_), *credentials);
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice nothing;
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::ByteBuffer(&nothing, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(ServerTlsTest, AServerOfTheClusterIsKnownByItsUriAtBothEnds) {
  flags_.cluster_ca = Path("ca.crt");
  Open();
  Listen(tls_->ForServers());
  EXPECT_TRUE(absl::IsUnimplemented(Call(tls_->to_servers(), "localhost")));
  const absl::Status client = Call(Dialling(Issue({.name = "worker", .hosts = {"URI:spiffe://d/worker/w"}})));
  EXPECT_TRUE(absl::IsPermissionDenied(client)) << client;
  EXPECT_THAT(Said(client), HasSubstr("(CN=worker) is not one of a server of the cluster"));
  EXPECT_TRUE(absl::IsUnauthenticated(Call(Dialling())));
  // The other end is some client that listens there.
  Issue({.name = "impostor", .hosts = {"IP:127.0.0.1"}});
  const auto dial = MakeServersCredentials(Path("ca.crt"), Path("server.crt"), Path("server.key"));
  ASSERT_TRUE(dial.ok()) << dial.status();
  server_->Shutdown(std::chrono::system_clock::now());
  flags_ = {};
  flags_.tls_cert = Path("impostor.crt");
  flags_.tls_key = Path("impostor.key");
  auto impostor = ServerTls::Open(flags_, std::make_shared<prometheus::Registry>());
  ASSERT_TRUE(impostor.ok()) << impostor.status();
  Listen((*impostor)->ForClients());
  EXPECT_THAT(Said(Call(*dial)), HasSubstr("(CN=impostor) is not one of a server of the cluster"));
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

TEST_F(ServerTlsTest, AReplacedCertificateIsShownAndItsExpiryTold) {
  Open();
  Listen(tls_->ForClients());
  const support::Authority next("next");
  support::ReplaceFile(Path("ca.crt"), authority_.certificate() + next.certificate());
  EXPECT_TRUE(absl::IsUnimplemented(Call(Dialling())));
  const absl::Time end = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now() + absl::Hours(100)));
  next.Issue({.name = "renewed", .hosts = {"IP:127.0.0.1"}, .not_after = end}).Write(Path("server"));
  const std::string gauge =
      absl::StrCat("mind_tls_certificate_expiry_seconds{use=\"clients\"} ", absl::ToUnixSeconds(end));
  support::ReplaceFile(Path("next.crt"), next.certificate());
  ChannelTls dialling = Dialling();
  dialling.authorities = Path("next.crt");  // believes the new one alone
  const absl::Time give_up = absl::Now() + absl::Minutes(1);
  while (!absl::IsUnimplemented(Call(dialling)) && absl::Now() < give_up)
    absl::SleepFor(absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsUnimplemented(Call(dialling))) << Call(dialling);
  while (Metrics().find(gauge) == std::string::npos && absl::Now() < give_up)
    absl::SleepFor(absl::Milliseconds(50));
  EXPECT_THAT(Metrics(), HasSubstr(gauge));
}

TEST_F(ServerTlsTest, FlagsThatDoNotGoTogetherAreNamed) {
  const auto said = [this](const std::function<void(Flags&)>& change) {
    Flags flags = flags_;
    change(flags);
    return Said(ServerTls::Open(flags, std::make_shared<prometheus::Registry>()).status());
  };
  EXPECT_EQ(said([](Flags& f) { f.tls_key.clear(); }), "--tls-cert and --tls-key go together");
  EXPECT_EQ(said([](Flags& f) { f = {}, f.tls_client_ca = "x"; }), "--tls-client-ca goes with --tls-cert");
  EXPECT_EQ(said([this](Flags& f) { f.tls_worker_ca = Path("ca.crt"); }),
            "--tls-worker-ca goes with --listen-workers");
  EXPECT_EQ(said([this](Flags& f) { f.cluster_cert = Path("server.crt"); }),
            "--cluster-cert and --cluster-key go with --cluster-ca");
  EXPECT_EQ(said([this](Flags& f) { f = {}, f.cluster_ca = Path("ca.crt"); }),
            "--cluster-ca goes with --cluster-cert or --tls-cert");
  Issue({.name = "plain"});
  EXPECT_THAT(said([this](Flags& f) {
                f.cluster_ca = Path("ca.crt");
                f.cluster_cert = Path("plain.crt");
                f.cluster_key = Path("plain.key");
              }),
              HasSubstr("has no URI spiffe://…/server"));
  EXPECT_THAT(said([](Flags& f) { f.tls_client_ca = "/no/such"; }),
              HasSubstr("--tls-client-ca: cannot read /no/such"));
  EXPECT_THAT(said([](Flags& f) { f.tls_cert = "/no/such"; }), HasSubstr("--tls-cert: cannot read /no/such"));
}

}  // namespace
}  // namespace mind::server
