#include "server/trust/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

// The lines of a file, once there are so many.
std::vector<nlohmann::json> Lines(const std::string& path, size_t count) {
  for (;;) {
    std::vector<nlohmann::json> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (!file.eof()) lines.push_back(nlohmann::json::parse(line));
    }
    if (lines.size() >= count) return lines;
    absl::SleepFor(absl::Milliseconds(5));
  }
}

class AuditTest : public ServiceRig {
 protected:
  support::TemporaryFolder folder_;
  const std::string path_ = folder_ / "audit";
};

TEST_F(AuditTest, IsItsOwnersAloneAndGoesOn) {
  for (int run = 0; run < 2; ++run) {
    const auto audit = Audit::Open(path_, false);
    ASSERT_TRUE(audit.ok()) << audit.status();
    (*audit)->Write("test", {{"run", run}, {"text", "line\nbreak \xff"}});
  }
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  const std::vector<nlohmann::json> lines = Lines(path_, 2);
  EXPECT_EQ(lines[1]["action"], "test");
  EXPECT_EQ(lines[1]["run"], 1);
  EXPECT_FALSE(Audit::Open(folder_ / "none" / "audit", false).ok());
}

TEST_F(AuditTest, TellsWhoHadWhatDoneAndHowItEnded) {
  for (const bool prompts : {false, true}) {
    const std::string path = absl::StrCat(path_, prompts);
    const auto audit = Audit::Open(path, prompts);
    options_.audit = audit->get();
    Restart();
    Connect("w", 0);
    const Caller caller{.tenant = "acme",
                        .key_id = "abcdefghij",
                        .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
    const absl::StatusOr<v1::Job> job = Submit(SmallRequest(), caller);
    ASSERT_TRUE(job.ok()) << job.status();
    ASSERT_TRUE(Cancel(job->id(), caller).ok());
    const auto [deleted, forget] = Expect<v1::Job>();
    service().Delete(job->id(), caller, CancelledByRequest(job->id()), forget);
    ASSERT_TRUE(Answered<v1::Job>(deleted).ok());
    const std::vector<nlohmann::json> lines = Lines(path, 4);
    const char* const actions[] = {"job_accepted", "job_cancelled", "job_ended", "job_deleted"};
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(lines[i]["action"], actions[i]);
      EXPECT_EQ(lines[i]["tenant"], "acme");
      EXPECT_EQ(lines[i]["job"], job->id());
      EXPECT_EQ(lines[i]["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
      EXPECT_EQ(lines[i]["model"], "m");
      EXPECT_EQ(lines[i]["key"], i == 2 ? "" : "abcdefghij");
      EXPECT_EQ(lines[i].count("prompt"), prompts ? 1U : 0U);
      EXPECT_EQ(absl::StrContains(lines[i].dump(), "a cat"), prompts);
    }
    EXPECT_GT(lines[0]["worker_seconds"], 0);
    EXPECT_EQ(lines[2]["outcome"], "cancelled");
    EXPECT_EQ(lines[2]["worker_seconds"], 0);
  }
}

}  // namespace
}  // namespace mind::server
