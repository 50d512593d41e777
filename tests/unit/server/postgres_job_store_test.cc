// What is PostgreSQL's own: terms, sessions that end, outcomes that nobody knows, a database without room or
// away. What it has in common with other stores: job_store_test.cc.
#include "server/store/postgres_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/postgres_rig.h"

namespace mind::server {
namespace {

// Sessions of the writer in this test.
constexpr char kWriters[] = "FROM pg_stat_activity WHERE application_name LIKE 'mind-server writer %'";

class PostgresJobStoreTest : public testing::Test {
 protected:
  PostgresJobStoreTest() : database_(support::SharedPostgres()), url_(database_.NewSchema()) { Reopen(); }

  void Reopen() {
    store_.reset();
    auto opened = OpenPostgres(url_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  std::string Sql(const std::string& sql) { return database_.Sql(sql, url_); }
  absl::Status Write(const StoreBatch& batch) { return Commit(*store_, batch); }
  // As the server does it: the same batch until it is through.
  void WriteUntilDone(const StoreBatch& batch) {
    WaitFor("a commit", [&] {
      const absl::Status status = Write(batch);
      EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kUnavailable) << status;
      return status.ok();
    });
  }
  // Has commits wait for a standby that never comes, until it is destroyed.
  auto WithoutItsStandby() {
    Configure("synchronous_standby_names = 'nobody'");
    return absl::Cleanup([this] { Configure("synchronous_standby_names = ''"); });
  }
  void Configure(const std::string& setting) {
    database_.Sql("ALTER SYSTEM SET " + setting);
    const std::string name = setting.substr(0, setting.find(' '));
    database_.Sql("SELECT pg_reload_conf()");
    const std::string wanted = setting.substr(setting.find('\'') + 1);
    WaitFor(setting, [&] {
      return Sql("SELECT setting FROM pg_settings WHERE name = '" + name + "'") + "'" == wanted;
    });
  }

  support::PostgresServer& database_;
  const std::string url_;
  std::unique_ptr<PostgresJobStore> store_;
};

TEST_F(PostgresJobStoreTest, AnotherTermEndsThisOne) {
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  const auto later = OpenPostgres(url_);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_GT((*later)->epoch(), store_->epoch());
  for (const StoreBatch& batch : {StoreBatch{Inserted("2")}, StoreBatch{Ended("1", 5)}, StoreBatch{}}) {
    absl::Status status = Write(batch);
    // Whoever takes the term ends this one's session: what is written meanwhile may hear of that first.
    while (absl::IsUnavailable(status)) status = Write(batch);
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    EXPECT_EQ(GetErrorInfo(status)->reason(), kTermOver);
  }
  const auto purged = Await<absl::StatusOr<int>>(
      [&](const auto& done) { store_->Purge({.ended_before = absl::Now()}, 10, done); });
  EXPECT_EQ(purged.status().code(), absl::StatusCode::kAborted) << purged.status();
  EXPECT_EQ(UnfinishedIds(**later), "1");
  EXPECT_TRUE(Commit(**later, {Inserted("3")}).ok());
}

TEST_F(PostgresJobStoreTest, IsNotOpenedForATermThatIsOver) {
  const auto opened = PostgresJobStore::Open(url_, "holder", store_->epoch() - 1);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kAborted) << opened.status();
}

TEST_F(PostgresJobStoreTest, WhoDoesNotDecideMayAsk) {
  v1::Model model;
  model.set_name("m");
  ASSERT_TRUE(Write({Inserted("1", {"t", "r", "print", ""}), Image("1", 0, "x", 1), SaveModel{model}}).ok());
  PostgresJobReader reader(url_);
  EXPECT_EQ(Find(reader, "1").value()->images.size(), 1U);
  EXPECT_EQ(FindRequest(reader, "t", "r").value()->fingerprint, "print");
  EXPECT_EQ(FindImage(reader, "1", 0).value()->data, "x");
  EXPECT_EQ(List(reader, "t"), "1");
  EXPECT_EQ(AllModels(reader).value().size(), 1U);
}

TEST_F(PostgresJobStoreTest, SessionsThatAreEndedAmidCommitsLoseAndDoubleNothing) {
  std::atomic<bool> done = false;
  std::thread ends([&] {
    for (int ended = 0; ended < 15;) {
      const std::string now = database_.Sql(
          absl::StrCat("SELECT count(*) FROM (SELECT pg_terminate_backend(pid) ", kWriters, ") AS ended"));
      if (now != "0") ++ended;
    }
    done = true;
  });
  const absl::Cleanup join = [&] { ends.join(); };
  int jobs = 0;
  for (; jobs < 30 || !done; ++jobs) {
    const std::string id = absl::StrCat("job ", jobs);
    WriteUntilDone({Inserted(id), Image(id, 0, std::string(100'000, 'x'), 1), Image(id, 1, "y", 2)});
  }
  EXPECT_EQ(Sql("SELECT count(*) FROM jobs"), absl::StrCat(jobs));
  EXPECT_EQ(Sql("SELECT count(*) FROM images"), absl::StrCat(2 * jobs));
}

// The commit has happened; its answer never comes.
TEST_F(PostgresJobStoreTest, ABatchOfUnknownOutcomeIsTriedAgainAsItIs) {
  const StoreBatch batch = {Inserted("1", {"t", "r", "print", ""}), Image("1", 0, "x", 1), Ended("1", 5)};
  {
    const auto waits = WithoutItsStandby();
    for (const char* const end : {"pg_terminate_backend", "pg_cancel_backend"}) {
      // The database takes its time to hear of the setting: commits before that go through.
      absl::Status status;
      do {
        absl::Notification answered;
        store_->Commit(std::make_shared<const StoreBatch>(batch), [&](const absl::Status& answer) {
          status = answer;
          answered.Notify();
        });
        WaitFor("a commit or its standby", [&] {
          return answered.HasBeenNotified() || Sql(absl::StrCat("SELECT count(", end, "(pid)) ", kWriters,
                                                                " AND wait_event = 'SyncRep'")) != "0";
        });
        answered.WaitForNotification();
      } while (status.ok());
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    }
    EXPECT_EQ(Sql("SELECT count(*) FROM jobs"), "1");
  }
  WriteUntilDone(batch);
  EXPECT_EQ(Sql("SELECT count(*) FROM jobs"), "1");
  EXPECT_EQ(Sql("SELECT count(*) FROM images"), "1");
  EXPECT_EQ(Find(*store_, "1").value()->end_sequence, 5U);
}

// A new session begins when the old one can do no more.
TEST_F(PostgresJobStoreTest, ANewSessionEndsTheOldOneFirst) {
  const std::string holder = "a holder";
  const auto terms = PostgresTermStore::Open(url_);
  ASSERT_TRUE(terms.ok()) << terms.status();
  const uint64_t term = TakeTerm(**terms, holder).value().value();
  const auto old = PostgresJobStore::Open(url_, holder, term);
  ASSERT_TRUE(old.ok()) << old.status();
  const std::string pid =
      Sql(absl::StrCat("SELECT pid ", kWriters, " AND application_name LIKE '%a holder'"));
  const auto next = PostgresJobStore::Open(url_, holder, term);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(Sql("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid), "0");
}

TEST_F(PostgresJobStoreTest, ADatabaseThatIsAwayIsWaitedFor) {
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  EXPECT_TRUE(Find(*store_, "1").ok());
  const StoreBatch batch = {Inserted("2"), Image("2", 0, "x", 1)};
  database_.Stop();
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = Write(batch);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_TRUE(GetErrorInfo(status).has_value());
    EXPECT_TRUE(GetRetryDelay(status).has_value());
    EXPECT_EQ(Find(*store_, "1").status().code(), absl::StatusCode::kUnavailable);
  }
  database_.Start();
  WriteUntilDone(batch);
  WaitFor("a reader", [&] { return Find(*store_, "1").ok(); });
  EXPECT_EQ(UnfinishedIds(*store_), "12");
  EXPECT_EQ(Find(*store_, "2").value()->images.size(), 1U);
}

// A reader that finds its connection gone asks again over a new one.
TEST_F(PostgresJobStoreTest, QuestionsOutliveTheirConnections) {
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(Find(*store_, "1").ok());
    Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mind-server "
        "reader'");
  }
}

TEST_F(PostgresJobStoreTest, WithoutRoomItSaysSoChangesNothingAndGoesOnLater) {
  // Seen by this thread and its children alone, and gone with them.
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  const support::TemporaryFolder folder;
  const passwd* const user = getpwnam("postgres");
  const std::string options = absl::StrCat("size=6m,mode=700,uid=", user->pw_uid, ",gid=", user->pw_gid);
  ASSERT_EQ(mount("tmpfs", folder.string().c_str(), "tmpfs", 0, options.c_str()), 0);
  const absl::Cleanup unmount = [&] { umount2(folder.string().c_str(), MNT_DETACH); };
  support::PostgresServer database;
  database.Sql("CREATE TABLESPACE small LOCATION '" + folder.string() + "'");
  const std::string url = database.UrlOf("postgres") + "&options=-cdefault_tablespace%3Dsmall";
  auto opened = OpenPostgres(url);
  ASSERT_TRUE(opened.ok()) << opened.status();
  store_ = *std::move(opened);

  ASSERT_TRUE(Write({Inserted("1")}).ok());
  const StoreBatch batch = {Inserted("2"), Image("2", 0, std::string(8 << 20, 'x'), 1), Ended("1", 5)};
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = Write(batch);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(GetErrorInfo(status)->reason(), "STORE_FULL");
    EXPECT_TRUE(GetRetryDelay(status).has_value());
    EXPECT_EQ(UnfinishedIds(*store_), "1");
  }
  ASSERT_EQ(mount("tmpfs", folder.string().c_str(), "tmpfs", MS_REMOUNT, "size=60m"), 0);
  WriteUntilDone(batch);
  EXPECT_EQ(UnfinishedIds(*store_), "2");
  store_.reset();
}

TEST_F(PostgresJobStoreTest, StatesOfPicturesAreFencedAndDoNotOutliveACrash) {
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  const auto save = [](JobStore& store, uint32_t step) {
    return Await<absl::Status>([&](const auto& done) {
      store.checkpoints()->Save({{.job_id = "1",
                                  .image_index = 0,
                                  .attempt = 1,
                                  .step = step,
                                  .revision = "",
                                  .data = std::make_shared<const std::string>("state")}},
                                done);
    });
  };
  const auto step = [this] { return Sql("SELECT max(step) FROM checkpoints"); };
  ASSERT_TRUE(save(*store_, 3).ok());
  EXPECT_EQ(step(), "3");
  const auto later = OpenPostgres(url_);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_TRUE(save(*store_, 4).ok());  // passed over
  EXPECT_EQ(step(), "3");
  EXPECT_TRUE(save(**later, 5).ok());
  EXPECT_EQ(step(), "5");
  database_.Stop();
  EXPECT_FALSE(save(**later, 6).ok());
  database_.Start();
  EXPECT_EQ(step(), "");
  WaitFor("states to be kept again", [&] { return save(**later, 7).ok(); });
  EXPECT_EQ(step(), "7");
  EXPECT_EQ(UnfinishedIds(**later), "1");
}

// Nobody waits for a database that says nothing, once it has been said that nobody does.
TEST_F(PostgresJobStoreTest, WhatHangsIsGivenUp) {
  auto patient = OpenPostgres(url_ + "%20-clock_timeout%3D0%20-cstatement_timeout%3D0");
  ASSERT_TRUE(patient.ok()) << patient.status();
  store_ = *std::move(patient);
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  Session holds(url_);
  ASSERT_TRUE(holds.Run("BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"));
  absl::Notification written, found;
  absl::Status status, answer;
  store_->Commit(std::make_shared<const StoreBatch>(StoreBatch{Inserted("2")}),
                 [&](const absl::Status& done) {
                   status = done;
                   written.Notify();
                 });
  store_->Find("t", "1", [&](const absl::StatusOr<std::optional<StoredJob>>& done) {
    answer = done.status();
    found.Notify();
  });
  WaitFor("both to hang", [&] {
    return database_.Sql(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
               "application_name LIKE 'mind-server %'") == "2";
  });
  store_->GiveUp();
  written.WaitForNotification();
  found.WaitForNotification();
  for (const absl::Status& one : {status, answer, Write({Inserted("3")})}) {
    EXPECT_EQ(one.code(), absl::StatusCode::kUnavailable) << one;
    EXPECT_THAT(std::string(one.message()), testing::HasSubstr("not waited for any more"));
  }
  store_.reset();
  ASSERT_TRUE(holds.Run("COMMIT"));
  Reopen();
  EXPECT_TRUE(Find(*store_, "1").value().has_value());
}

TEST_F(PostgresJobStoreTest, ARowThatCannotBeReadIsSetAside) {
  ASSERT_TRUE(Write({Inserted("1"), Inserted("2"), Inserted("3")}).ok());
  Sql("UPDATE jobs SET job = '\\xff' WHERE id = '2'");
  Reopen();
  EXPECT_EQ(UnfinishedIds(*store_), "13");
  EXPECT_EQ(List(*store_, "t"), "321");
  const auto damaged = Find(*store_, "2");
  ASSERT_TRUE(damaged.ok() && damaged->has_value()) << damaged.status();
  EXPECT_EQ((*damaged)->job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ((*damaged)->job.error().code(), static_cast<int>(absl::StatusCode::kDataLoss));
  EXPECT_GT((*damaged)->end_sequence, 0U);
  EXPECT_TRUE(Write({}).ok());  // after what was posted to the writer
  EXPECT_EQ(Sql("SELECT id FROM damaged"), "2");
  EXPECT_EQ(Sql("SELECT count(*) FROM jobs WHERE id = '2' AND ended_ms IS NOT NULL"), "1");
}

TEST_F(PostgresJobStoreTest, AnotherTenantsJobIsNotParsed) {
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  Sql("UPDATE jobs SET job = '\\xff'");
  EXPECT_FALSE(Find(*store_, "1", "another")->has_value());
  EXPECT_TRUE(Write({}).ok());  // after what would be posted to the writer
  EXPECT_EQ(Sql("SELECT count(*) FROM damaged"), "0");
}

TEST_F(PostgresJobStoreTest, AModelThatCannotBeReadIsLeftOut) {
  v1::Model model;
  model.set_name("a");
  ASSERT_TRUE(Write({SaveModel{model}}).ok());
  Sql("INSERT INTO models VALUES('b', '\\xff')");
  EXPECT_EQ(AllModels(*store_).value().size(), 1U);
}

TEST_F(PostgresJobStoreTest, ManyUnfinishedJobsComeInOrderPageByPage) {
  StoreBatch batch;
  for (int i = 0; i < 4500; ++i) batch.push_back(Inserted(absl::StrCat("job ", i)));
  for (const int i : {0, 1999, 2000, 4499}) batch.push_back(Image(absl::StrCat("job ", i), 1, "x", 1));
  ASSERT_TRUE(Write(batch).ok());
  const std::vector<StoredJob> jobs = Unfinished(*store_);
  ASSERT_EQ(jobs.size(), 4500U);
  for (size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(jobs[i].job.id(), absl::StrCat("job ", i));
    EXPECT_EQ(jobs[i].images.size(), i == 0 || i == 1999 || i == 2000 || i == 4499 ? 1U : 0U) << i;
  }
}

// Another that purges does not wait for this one, nor take the same.
TEST_F(PostgresJobStoreTest, PurgingPassesOverWhatIsLocked) {
  const absl::Time ended = absl::Now() - absl::Hours(1);  // what they used is kept longer
  ASSERT_TRUE(Write({Inserted("1"), Inserted("2"), Ended("1", 5, ended), Ended("2", 6, ended)}).ok());
  Session holds(url_);
  ASSERT_TRUE(holds.Run("BEGIN; SELECT 1 FROM jobs WHERE id = '1' FOR UPDATE"));
  EXPECT_EQ(Purge(*store_, absl::Now()), 1);
  ASSERT_TRUE(holds.Run("COMMIT"));
  EXPECT_EQ(Purge(*store_, absl::Now()), 1);
}

TEST_F(PostgresJobStoreTest, SaysWhatItsSettingsKeep) {
  EXPECT_FALSE(store_->durability().disk);  // the tests' database does not sync
  Configure("fsync = 'on'");
  const absl::Cleanup off = [this] { Configure("fsync = 'off'"); };
  EXPECT_EQ(Purge(*store_, absl::UnixEpoch()), 0);
  EXPECT_TRUE(store_->durability().disk);
  EXPECT_FALSE(store_->durability().standby);
  EXPECT_THAT(store_->durability().settings, testing::HasSubstr("fsync = on"));
  absl::Notification purged;
  {
    const auto waits = WithoutItsStandby();
    store_->Purge({.ended_before = absl::UnixEpoch()}, 1,
                  [&](const absl::StatusOr<int>&) { purged.Notify(); });
    WaitFor("its settings", [&] { return store_->durability().standby; });
  }
  purged.WaitForNotification();
}

}  // namespace
}  // namespace mind::server
