#include "server/store/postgres_term_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/postgres_rig.h"

namespace mind::server {
namespace {

class PostgresTermStoreTest : public testing::Test {
 protected:
  PostgresTermStoreTest() : url_(support::SharedPostgres().NewSchema()), terms_(Open()) {}

  std::unique_ptr<PostgresTermStore> Open() {
    auto opened = PostgresTermStore::Open(url_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  std::string Sql(const std::string& sql) { return support::SharedPostgres().Sql(sql, url_); }

  const std::string url_;
  const std::unique_ptr<PostgresTermStore> terms_;
};

TEST_F(PostgresTermStoreTest, BeginsFreeAndIsTakenOneAfterTheOther) {
  EXPECT_EQ(ReadTerm(*terms_).value(), (TermRow{}));
  EXPECT_EQ(TakeTerm(*terms_, "a").value(), std::optional<uint64_t>(1));
  EXPECT_EQ(ReadTerm(*terms_).value(), (TermRow{1, "a", "127.0.0.1:1", 0}));
  EXPECT_EQ(TakeTerm(*terms_, "b").value(), std::optional<uint64_t>(2));
  const auto again = Open();
  EXPECT_EQ(ReadTerm(*again).value().holder, "b");
}

TEST_F(PostgresTermStoreTest, IsNotTakenFromWhoLives) {
  ASSERT_TRUE(TakeTerm(*terms_, "a").value().has_value());
  const TermRow seen = ReadTerm(*terms_).value();
  EXPECT_TRUE(RenewTerm(*terms_, 1, "a").value());
  EXPECT_EQ(ReadTerm(*terms_).value().beat, seen.beat + 1);
  EXPECT_EQ(TakeTerm(*terms_, "b", seen).value(), std::nullopt);
  EXPECT_TRUE(RenewTerm(*terms_, 1, "a").value());
}

TEST_F(PostgresTermStoreTest, OfTwoWhoTakeOneWins) {
  const auto other = Open();
  for (int round = 0; round < 20; ++round) {
    const TermRow seen = ReadTerm(*terms_).value();
    std::optional<uint64_t> mine, others;
    absl::Notification mine_done, others_done;
    terms_->Take(seen, "a", "", [&](const auto& term) {
      mine = term.value();
      mine_done.Notify();
    });
    other->Take(seen, "b", "", [&](const auto& term) {
      others = term.value();
      others_done.Notify();
    });
    mine_done.WaitForNotification();
    others_done.WaitForNotification();
    EXPECT_NE(mine.has_value(), others.has_value());
    EXPECT_EQ(ReadTerm(*terms_).value().holder, mine.has_value() ? "a" : "b");
  }
}

TEST_F(PostgresTermStoreTest, WhoHasLostItDoesNotRenewOrResignIt) {
  ASSERT_TRUE(TakeTerm(*terms_, "a").value().has_value());
  ASSERT_TRUE(TakeTerm(*terms_, "b").value().has_value());
  EXPECT_FALSE(RenewTerm(*terms_, 1, "a").value());
  EXPECT_FALSE(ResignTerm(*terms_, 1, "a").value());
  EXPECT_EQ(ReadTerm(*terms_).value().holder, "b");
  EXPECT_TRUE(ResignTerm(*terms_, 2, "b").value());
  EXPECT_EQ(ReadTerm(*terms_).value().holder, "");
  EXPECT_FALSE(RenewTerm(*terms_, 2, "b").value());
  EXPECT_EQ(TakeTerm(*terms_, "c").value(), std::optional<uint64_t>(3));
}

TEST_F(PostgresTermStoreTest, TakingWaitsForWhatTheOldTermIsCommitting) {
  ASSERT_TRUE(TakeTerm(*terms_, "a").value().has_value());
  Sql("CREATE TABLE written(what text)");
  Session commits(url_);
  ASSERT_TRUE(commits.Run("BEGIN; SELECT fence(1); INSERT INTO written VALUES('in term 1')"));
  absl::Notification taken;
  terms_->Take(ReadTerm(*terms_).value(), "b", "", [&](const auto& term) {
    EXPECT_EQ(term.value(), std::optional<uint64_t>(2));
    taken.Notify();
  });
  WaitFor("a lock", [&] {
    return Sql("SELECT count(*) FROM pg_stat_activity "
               "WHERE application_name = 'mind-server term' AND wait_event_type = 'Lock'") == "1";
  });
  EXPECT_FALSE(taken.HasBeenNotified());
  EXPECT_TRUE(commits.Run("COMMIT"));
  taken.WaitForNotification();
  EXPECT_EQ(Sql("SELECT what FROM written"), "in term 1");
  EXPECT_FALSE(commits.Run("SELECT fence(1)"));
}

// A server that is stopped in the middle of a commit would hold the term for ever.
TEST_F(PostgresTermStoreTest, TakingEndsACommitOfWhoSleeps) {
  ASSERT_TRUE(TakeTerm(*terms_, "a").value().has_value());
  Sql("CREATE TABLE written(what text)");
  Session sleeps(url_ + "&application_name=mind-server%20writer%20a");
  ASSERT_TRUE(sleeps.Run("BEGIN; SELECT fence(1); INSERT INTO written VALUES('in term 1')"));
  EXPECT_EQ(TakeTerm(*terms_, "b").value(), std::optional<uint64_t>(2));
  EXPECT_FALSE(sleeps.Run("COMMIT"));
  EXPECT_EQ(Sql("SELECT count(*) FROM written"), "0");
}

TEST_F(PostgresTermStoreTest, RenewingAndCommittingDoNotWaitForEachOther) {
  ASSERT_TRUE(TakeTerm(*terms_, "a").value().has_value());
  Session commits(url_), renews(url_);
  ASSERT_TRUE(commits.Run("BEGIN; SELECT fence(1)"));
  EXPECT_TRUE(RenewTerm(*terms_, 1, "a").value());
  ASSERT_TRUE(renews.Run("BEGIN; UPDATE term SET beat = beat + 1"));
  EXPECT_TRUE(commits.Run("COMMIT; SET lock_timeout = 1; SELECT fence(1)"));
}

TEST_F(PostgresTermStoreTest, RefusesTablesOfANewerVersion) {
  Sql("UPDATE term SET version = 99");
  const auto opened = PostgresTermStore::Open(url_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.status().message()), testing::HasSubstr("tables are of version 99"));
}

TEST_F(PostgresTermStoreTest, SaysWhatIsWrongWithAnAddress) {
  EXPECT_EQ(PostgresTermStore::Open("postgresql://host?colour=red").status().code(),
            absl::StatusCode::kFailedPrecondition);
  const auto nobody = PostgresTermStore::Open("postgresql:///x?host=/nowhere");
  ASSERT_TRUE(nobody.ok()) << nobody.status();  // somebody may come
  const absl::Status away = ReadTerm(**nobody).status();
  EXPECT_EQ(away.code(), absl::StatusCode::kUnavailable) << away;
  EXPECT_THAT(std::string(away.message()), testing::HasSubstr("/nowhere"));
}

TEST_F(PostgresTermStoreTest, WhatNoPatienceHelpsAgainstIsRefusedAtOnce) {
  const support::TemporaryFolder folder;
  ASSERT_EQ(chmod(folder.string().c_str(), 0755), 0);
  std::ofstream(folder.string() + "/hba") << "local all postgres trust\nlocal all all scram-sha-256\n";
  support::PostgresServer database({"hba_file = '" + folder.string() + "/hba'"});
  database.Sql("CREATE ROLE guest LOGIN PASSWORD 'right'");
  const std::string where = "postgresql:///postgres?host=" + database.directory() + "&user=";
  const std::pair<std::string, std::string> wrong[] = {
      {where + "guest&password=wrong", "password authentication failed for user \"guest\""},
      {where + "guest", "no password supplied"},
      {where + "nobody&password=x", "nobody"},
      {database.UrlOf("no_such_database"), "database \"no_such_database\" does not exist"},
  };
  for (const auto& [url, says] : wrong) {
    const absl::Status status = PostgresTermStore::Open(url).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(says));
  }
  // What is wrong shows when it is there.
  database.Stop();
  const auto waits = PostgresTermStore::Open(where + "guest&password=wrong");
  ASSERT_TRUE(waits.ok()) << waits.status();
  EXPECT_EQ(ReadTerm(**waits).status().code(), absl::StatusCode::kUnavailable);
  database.Start();
  absl::Status status;
  WaitFor("an answer", [&] { return !absl::IsUnavailable(status = ReadTerm(**waits).status()); });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
}

TEST_F(PostgresTermStoreTest, ADatabaseThatIsNotThereYetIsWaitedFor) {
  support::PostgresServer database;
  database.Stop();
  const auto terms = PostgresTermStore::Open(database.UrlOf("postgres"));
  ASSERT_TRUE(terms.ok()) << terms.status();
  EXPECT_EQ(ReadTerm(**terms).status().code(), absl::StatusCode::kUnavailable);
  database.Start();
  WaitFor("the row", [&] { return ReadTerm(**terms).ok(); });
  EXPECT_EQ(TakeTerm(**terms, "a").value(), std::optional<uint64_t>(1));
}

// One that has begun goes on while those of a newer version take over.
TEST_F(PostgresTermStoreTest, ANewerVersionDoesNotKeepItFromComingBack) {
  EXPECT_TRUE(ReadTerm(*terms_).ok());
  Sql("UPDATE term SET version = 99");
  Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mind-server term'");
  EXPECT_TRUE(ReadTerm(*terms_).ok());
}

}  // namespace
}  // namespace mind::server
