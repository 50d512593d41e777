#include "client/cli/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

absl::Status Lacks() {
  return MakeError(absl::StatusCode::kPermissionDenied, "the key does not allow this", "SCOPE_MISSING");
}

v1::Worker WorkerIn(v1::WorkerState state, uint32_t room) {
  v1::Worker worker;
  worker.set_name("gpu-1");
  worker.set_state(state);
  worker.set_max_images(room);
  return worker;
}

// An installation with which nothing is wrong.
class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    seen_.server = "pictures.example:8080";
    seen_.encrypted = true;
    seen_.now = absl::FromUnixSeconds(1'800'000'000);
    seen_.serving = true;
    seen_.certificate = Certificate{.not_after = seen_.now + absl::Hours(24 * 60)};
    seen_.scopes = {{"generate", absl::OkStatus()}, {"admin", absl::OkStatus()}, {"scale", Lacks()}};
    v1::Model model;
    model.set_name("emoji");
    seen_.models = std::vector<v1::Model>{model};
    seen_.workers = std::vector<v1::Worker>{WorkerIn(v1::WORKER_STATE_READY, 4)};
    SetPage(GoodPage());
  }

  static std::string GoodPage() {
    return "mind_build_info{version=\"1.2.3\"} 1\nmind_store_failing 0\nmind_server_leads 1\n"
           "mind_store_synchronous{with=\"disk\"} 1\nmind_store_synchronous{with=\"standby\"} 1\n"
           "mind_data_free_bytes 5e+10\n";
  }
  void SetPage(const std::string& text) {
    seen_.pages.clear();
    AddPage(text);
  }
  void AddPage(const std::string& text) { seen_.pages.emplace_back("front:9090", MetricsPage::Parse(text)); }

  // "WRONG server: …"
  std::vector<std::string> Found() const {
    std::vector<std::string> found;
    for (const Finding& finding : Examine(seen_, "1.2.3")) {
      if (finding.level == Finding::Level::kOk) continue;
      const char* const level = finding.level == Finding::Level::kWrong     ? "WRONG"
                                : finding.level == Finding::Level::kWarning ? "warning"
                                                                            : "note";
      EXPECT_TRUE(finding.level == Finding::Level::kNote || finding.subject == "server" ||
                  !finding.advice.empty())
          << finding.text;
      found.push_back(absl::StrCat(level, " ", finding.subject, ": ", finding.text));
    }
    return found;
  }

  Evidence seen_;
};

TEST_F(DoctorTest, AHealthyInstallationHasNothingToSay) {
  EXPECT_THAT(Found(), IsEmpty());
  // What there is to be said of it nonetheless.
  std::vector<std::string> all;
  for (const Finding& finding : Examine(seen_, "1.2.3")) all.push_back(finding.text);
  EXPECT_THAT(all, Contains("this one allows: admin, generate"));
  EXPECT_THAT(all, Contains("1 ready"));
  EXPECT_THAT(all, Contains("the server's certificate is good for 60 days"));
  EXPECT_THAT(all, Contains("what is accepted is on two machines' disks"));
  EXPECT_THAT(all, Contains("1 of the 1 servers asked leads"));
}

TEST_F(DoctorTest, AServerThatIsNotThereIsAllThatIsSaidOfIt) {
  seen_.reached = absl::UnavailableError("connection refused");
  const std::vector<std::string> found = Found();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], HasSubstr("cannot reach a server at pictures.example:8080"));
}

TEST_F(DoctorTest, OneThatTakesNoJobsIsWrong) {
  seen_.serving = false;
  SetPage("mind_build_info{version=\"1.2.3\"} 1\nmind_store_failing 1\n");
  EXPECT_THAT(Found(), Contains(HasSubstr("WRONG server: pictures.example:8080 answers, and takes no jobs")));
  EXPECT_THAT(Found(), Contains(HasSubstr("WRONG store: front:9090 cannot write its store")));
}

TEST_F(DoctorTest, CertificatesAreLookedAtBeforeTheyExpire) {
  seen_.certificate->not_after = seen_.now + absl::Hours(24 * 3);
  EXPECT_THAT(Found(), Contains("warning tls: the server's certificate expires in 3 days"));
  seen_.certificate.reset();
  SetPage(absl::StrCat(GoodPage(), "mind_tls_certificate_expiry_seconds{use=\"cluster\"} 1799999999\n"));
  EXPECT_THAT(Found(), Contains("WRONG tls: the certificate of front:9090 for cluster has expired"));
}

TEST_F(DoctorTest, WhatTravelsOrIsOpenToAllIsSaidBeyondLoopback) {
  seen_.certificate.reset();
  seen_.encrypted = false;
  seen_.asks_for_keys = false;
  EXPECT_THAT(Found(), Contains("warning tls: keys, prompts and pictures travel as they are"));
  EXPECT_THAT(Found(), Contains(HasSubstr("warning key: the server asks nobody for a key")));
  for (const char* const here : {"127.0.0.1:8080", "localhost:8080", "[::1]:8080"}) {
    seen_.server = here;
    EXPECT_THAT(Found(), IsEmpty()) << here;
  }
}

TEST_F(DoctorTest, AKeyThatIsNoneIsWrongAndOneThatAllowsLittleIsTold) {
  seen_.scopes["admin"] = Lacks();
  seen_.workers = Lacks();
  EXPECT_THAT(Found(), Contains(HasSubstr("note workers: not seen: the key does not allow this")));
  seen_.scopes["generate"] =
      MakeError(absl::StatusCode::kUnauthenticated, "the key has expired", "API_KEY_EXPIRED");
  EXPECT_THAT(Found(), Contains("WRONG key: the key has expired"));
}

TEST_F(DoctorTest, ACertificateThatIsMissingIsNotTheKeysFault) {
  const absl::Status missing =
      MakeError(absl::StatusCode::kUnauthenticated, "this port is for those who show a certificate",
                "CERTIFICATE_MISSING");
  for (auto& [scope, said] : seen_.scopes) said = missing;
  const std::vector<std::string> found = Found();
  EXPECT_THAT(found, Contains("WRONG tls: this port is for those who show a certificate"));
  EXPECT_THAT(found, Not(Contains(HasSubstr("key:"))));
  for (const Finding& finding : Examine(seen_, "1.2.3")) {
    if (finding.level != Finding::Level::kWrong) continue;
    EXPECT_EQ(finding.advice, "Show one with --tls-cert and --tls-key.");
  }
}

TEST_F(DoctorTest, WhatIsRefusedOrNotAnsweredIsNotAllowed) {
  seen_.scopes["worker"] = MakeError(absl::StatusCode::kPermissionDenied,
                                     "the client's certificate names no worker", "CERTIFICATE_WRONG_NAME");
  seen_.scopes["read"] = absl::DeadlineExceededError("");
  std::vector<std::string> all;
  for (const Finding& finding : Examine(seen_, "1.2.3")) all.push_back(finding.text);
  EXPECT_THAT(all, Contains("this one allows: admin, generate"));
}

TEST_F(DoctorTest, WorkersThatDoNothingAreWrong) {
  seen_.workers = std::vector<v1::Worker>();
  EXPECT_THAT(Found(), Contains("WRONG workers: none is connected: jobs wait"));
  seen_.workers = std::vector<v1::Worker>{WorkerIn(v1::WORKER_STATE_BUSY, 0)};
  EXPECT_THAT(Found(), Contains("WRONG workers: none takes work: 1 starting"));
  seen_.workers->push_back(WorkerIn(v1::WORKER_STATE_STUCK, 4));
  seen_.workers->push_back(WorkerIn(v1::WORKER_STATE_BUSY, 4));
  EXPECT_THAT(Found(), testing::ElementsAre("WRONG workers: a picture hangs on gpu-1"));
  seen_.models = std::vector<v1::Model>();
  EXPECT_THAT(Found(), Contains("WRONG models: no worker has ever offered one"));
}

TEST_F(DoctorTest, WhatAStorePromisesAndItsDisk) {
  SetPage(
      "mind_build_info{version=\"1.2.3\"} 1\nmind_store_synchronous{with=\"disk\"} 0\nmind_data_free_bytes "
      "1e+06\n");
  EXPECT_THAT(Found(), Contains("WRONG store: what is accepted may be lost in a power cut"));
  EXPECT_THAT(Found(), Contains(HasSubstr("WRONG disk: 0.0 GiB are free")));
  SetPage(
      "mind_build_info{version=\"1.2.3\"} 1\nmind_store_synchronous{with=\"disk\"} 1\n"
      "mind_store_synchronous{with=\"standby\"} 0\n");
  EXPECT_THAT(Found(), testing::ElementsAre("note store: what is accepted is on one machine's disk"));
}

TEST_F(DoctorTest, OfSeveralServersOneLeads) {
  const std::string follows =
      "mind_build_info{version=\"1.2.3\"} 1\nmind_server_leads 0\nmind_store_synchronous{with=\"disk\"} 0\n";
  AddPage(follows);
  EXPECT_THAT(Found(), IsEmpty()) << "one that follows knows nothing of the store's promise";
  SetPage(follows);
  EXPECT_THAT(Found(), Contains("warning leader: 0 of the 1 servers asked leads"));
  AddPage(GoodPage());
  AddPage(GoodPage());
  EXPECT_THAT(Found(), Contains("note leader: 2 of the 3 servers asked leads"));
}

TEST_F(DoctorTest, ClocksThatDifferAreSaid) {
  const auto at = [this](absl::Duration difference) {
    seen_.pages[0].second = MetricsPage::Parse(GoodPage(), seen_.now + difference);
    return Found();
  };
  EXPECT_THAT(at(absl::Seconds(3)), IsEmpty());
  EXPECT_THAT(at(absl::Minutes(-2)),
              testing::ElementsAre("warning clock: that of front:9090 is behind this machine's by 2m"));
  EXPECT_THAT(at(absl::Hours(1)), Contains(HasSubstr("is ahead of this machine's by 1h")));
}

TEST_F(DoctorTest, VersionsAreTheSameAndPagesAreThere) {
  SetPage("mind_build_info{version=\"1.1.0\"} 1\n");
  EXPECT_THAT(Found(), Contains("warning version: front:9090 is of version 1.1.0, this program of 1.2.3"));
  seen_.pages[0].second = absl::UnavailableError("Connection refused");
  EXPECT_THAT(Found(), testing::ElementsAre("WRONG metrics: front:9090: Connection refused"));
  seen_.pages.clear();
  EXPECT_THAT(Found(),
              testing::ElementsAre("note metrics: version, store, disk and clock were not looked at"));
}

}  // namespace
}  // namespace mind::cli
