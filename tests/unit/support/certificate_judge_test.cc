#include "proto/support/certificate_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace mind {
namespace {

using support::Authority;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CertificateJudgeTest : public ::testing::Test {
 protected:
  CertificateJudgeTest() { Trust(authority_.certificate()); }

  void Trust(const std::string& pem) { support::ReplaceFile(file_, pem); }
  std::shared_ptr<CertificateJudge> Judge(
      CertificateJudge::Peer peer = CertificateJudge::Peer::kServer) const {
    auto judge = CertificateJudge::Create(peer, file_);
    EXPECT_TRUE(judge.ok()) << judge.status();
    return *std::move(judge);
  }
  static std::string ReasonOf(const absl::Status& status) {
    const auto info = GetErrorInfo(status);
    return info ? info->reason() : "";
  }

  const support::TemporaryFolder folder_;
  const std::string file_ = folder_ / "ca.crt";
  const Authority authority_{"ours"};
};

TEST_F(CertificateJudgeTest, OneInOrderIsBelievedAndSaysWhoItIsFor) {
  const auto own = authority_.Issue(
      {.name = "worker 1",
       .hosts = {"DNS:localhost", "IP:127.0.0.1", "IP:::1", "URI:spiffe://studio.example/mind/worker/w-1"}});
  const auto judged = Judge()->Judge(own.certificate, "", "localhost");
  ASSERT_TRUE(judged.ok()) << judged.status();
  EXPECT_EQ(judged->subject, "CN=worker 1");
  EXPECT_THAT(judged->names, ElementsAre("localhost", "127.0.0.1", "::1"));
  EXPECT_EQ(WorkerNamedBy(*judged), "w-1");
  EXPECT_FALSE(IsServers(*judged));
  EXPECT_TRUE(Judge()->Judge(own.certificate, "", "127.0.0.1").ok());
  EXPECT_TRUE(Judge()->Judge(own.certificate, "", "::1").ok());
}

TEST_F(CertificateJudgeTest, WhatIsWrongIsSaid) {
  const absl::Time now = absl::Now();
  const Authority other("somebody else");
  const Authority old_between("in between", authority_);
  const struct {
    support::KeyAndCertificate own;
    std::string reason, said;
  } cases[] = {
      {authority_.Issue(
           {.name = "old", .not_before = now - absl::Hours(2), .not_after = now - absl::Hours(1)}),
       "CERTIFICATE_EXPIRED", "the server's certificate (CN=old) expired on 20"},
      {authority_.Issue(
           {.name = "early", .not_before = now + absl::Hours(1), .not_after = now + absl::Hours(2)}),
       "CERTIFICATE_NOT_YET_VALID", "(CN=early) is not valid before 20"},
      {other.Issue({.name = "strange"}), "CERTIFICATE_UNKNOWN_AUTHORITY",
       absl::StrCat("(CN=strange) is by an authority that is not among those of ", file_)},
      {authority_.Issue({.name = "client", .use = "clientAuth"}), "CERTIFICATE_WRONG_USE",
       "(CN=client) is not made for this use"},
      {authority_.Issue({.name = "elsewhere", .hosts = {"DNS:a.example", "IP:10.0.0.1"}}),
       "CERTIFICATE_WRONG_NAME", "(CN=elsewhere) is for a.example, 10.0.0.1, not for localhost"},
      {authority_.Issue({.name = "localhost"}), "CERTIFICATE_REFUSED", ""},
      {{.certificate = "nonsense"}, "CERTIFICATE_REFUSED", "cannot be read: it holds no certificate"},
  };
  for (const auto& c : cases) {
    const auto judged = Judge()->Judge(c.own.certificate, "", "localhost");
    if (c.said.empty()) {  // a common name counts where there are no others, as everywhere
      EXPECT_TRUE(judged.ok()) << judged.status();
      continue;
    }
    EXPECT_TRUE(absl::IsUnauthenticated(judged.status())) << judged.status();
    EXPECT_EQ(ReasonOf(judged.status()), c.reason);
    EXPECT_THAT(std::string(judged.status().message()), HasSubstr(c.said));
  }
}

TEST_F(CertificateJudgeTest, ClientsAndServersHaveUsesOfTheirOwn) {
  const auto server = authority_.Issue({.name = "s", .use = "serverAuth"});
  EXPECT_TRUE(Judge()->Judge(server.certificate, "").ok());
  const auto judged = Judge(CertificateJudge::Peer::kClient)->Judge(server.certificate, "");
  EXPECT_EQ(ReasonOf(judged.status()), "CERTIFICATE_WRONG_USE");
  EXPECT_THAT(std::string(judged.status().message()), HasSubstr("the client's certificate (CN=s)"));
}

TEST_F(CertificateJudgeTest, ThoseInBetweenComeWithIt) {
  const Authority between("between", authority_);
  const auto own = between.Issue({.name = "leaf"});
  const size_t end = own.certificate.find("-----END CERTIFICATE-----\n") + 26;
  const std::string leaf = own.certificate.substr(0, end), rest = own.certificate.substr(end);
  EXPECT_TRUE(Judge()->Judge(leaf, rest).ok());
  EXPECT_TRUE(Judge()->Judge(leaf, own.certificate).ok());
  EXPECT_EQ(ReasonOf(Judge()->Judge(leaf, "").status()), "CERTIFICATE_UNKNOWN_AUTHORITY");
}

TEST_F(CertificateJudgeTest, AuthoritiesAreReadAgainAndBadOnesAreNot) {
  const Authority next("next");
  absl::Time now = absl::Now();
  const auto judge =
      *CertificateJudge::Create(CertificateJudge::Peer::kClient, file_, [&now] { return now; });
  const auto own = authority_.Issue({}), later = next.Issue({});
  EXPECT_TRUE(judge->Judge(own.certificate, "").ok());
  EXPECT_FALSE(judge->Judge(later.certificate, "").ok());
  Trust(next.certificate());
  EXPECT_TRUE(judge->Judge(own.certificate, "").ok()) << "not yet";
  now += absl::Seconds(1);
  EXPECT_TRUE(judge->Judge(later.certificate, "").ok());
  EXPECT_EQ(ReasonOf(judge->Judge(own.certificate, "").status()), "CERTIFICATE_UNKNOWN_AUTHORITY");
  Trust("nonsense");
  now += absl::Seconds(1);
  EXPECT_TRUE(judge->Judge(later.certificate, "").ok());
}

TEST_F(CertificateJudgeTest, AFileThatHoldsNoAuthorityIsNamed) {
  Trust("nonsense");
  const auto judge = CertificateJudge::Create(CertificateJudge::Peer::kClient, file_);
  EXPECT_THAT(std::string(judge.status().message()),
              AllOf(HasSubstr(file_), HasSubstr("it holds no certificate in PEM")));
  EXPECT_THAT(
      std::string(
          CertificateJudge::Create(CertificateJudge::Peer::kClient, "/no/such.crt").status().message()),
      HasSubstr("cannot read /no/such.crt: No such file"));
}

TEST_F(CertificateJudgeTest, ASpiffeNameIsOfOneFormAlone) {
  const auto named = [](std::vector<std::string> uris) { return WorkerNamedBy({.uris = std::move(uris)}); };
  EXPECT_EQ(named({"spiffe://d/worker/a"}), "a");
  EXPECT_EQ(named({"spiffe://d/ns/x/worker/a", "https://e/worker/b"}), "a");
  EXPECT_EQ(named({"spiffe://d/worker/a", "spiffe://e/mind/worker/b"}), std::nullopt);
  EXPECT_EQ(named({"spiffe://d/worker/"}), std::nullopt);
  EXPECT_EQ(named({"spiffe://worker/a"}), std::nullopt);
  EXPECT_EQ(named({"http://d/worker/a"}), std::nullopt);
  EXPECT_EQ(named({"spiffe://d/worker/a/b"}), std::nullopt);
  EXPECT_TRUE(IsServers({.uris = {"spiffe://d/mind/server"}}));
  EXPECT_FALSE(IsServers({.uris = {"spiffe://server", "spiffe://d/worker/server/x", "https://d/server"}}));
}

}  // namespace
}  // namespace mind
