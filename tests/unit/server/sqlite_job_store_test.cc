#include "server/store/sqlite_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "tests/support/temporary_folder.h"

namespace mind::server {
namespace {

class SqliteJobStoreTest : public testing::Test {
 protected:
  SqliteJobStoreTest() { Reopen(); }

  void Reopen() {
    store_.reset();
    auto opened = SqliteJobStore::Open(directory_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  static v1::Job Job(const std::string& id, v1::JobState state = v1::JOB_STATE_QUEUED,
                     const std::string& tenant = "t") {
    v1::Job job;
    job.set_id(id);
    job.set_tenant(tenant);
    job.set_state(state);
    job.mutable_spec()->set_prompt("提示 " + id);
    return job;
  }

  static v1::Job Ended(const std::string& id, absl::Time when = absl::UnixEpoch() + absl::Hours(1)) {
    v1::Job job = Job(id, v1::JOB_STATE_SUCCEEDED);
    *job.mutable_end_time() = ToTimestamp(when);
    return job;
  }

  static std::string Ids(const absl::StatusOr<std::vector<StoredJob>>& jobs) {
    if (!jobs.ok()) return jobs.status().ToString();
    std::string ids;
    for (const StoredJob& stored : *jobs) ids += stored.job.id();
    return ids;
  }
  uint64_t NumberOf(const std::string& id) {
    const auto found = store_->Find(id);
    EXPECT_TRUE(found.ok() && found->has_value());
    return found.ok() && found->has_value() ? (*found)->number : 0;
  }
  // Runs SQL on the file while no store has it open.
  void Meddle(const std::string& sql) {
    store_.reset();
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((directory_ + "/jobs.db").c_str(), &database), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_free(error);
    sqlite3_close(database);
  }

  const support::TemporaryFolder folder_;
  const std::string directory_ = folder_.string();
  std::unique_ptr<SqliteJobStore> store_;
};

TEST_F(SqliteJobStoreTest, KeepsJobsOverAReopening) {
  ASSERT_TRUE(store_->Insert(Job("1"), {}, false).ok());
  Reopen();
  const auto found = store_->Find("1");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->job.spec().prompt(), "提示 1");
  EXPECT_FALSE(store_->Find("2")->has_value());
}

TEST_F(SqliteJobStoreTest, EpochRisesWithEveryOpening) {
  const uint64_t first = store_->epoch();
  Reopen();
  EXPECT_EQ(store_->epoch(), first + 1);
}

TEST_F(SqliteJobStoreTest, FindsTheJobOfARequestId) {
  ASSERT_TRUE(store_->Insert(Job("1"), {"t", "request", "print", ""}, false).ok());
  const auto earlier = store_->FindRequest("t", "request");
  ASSERT_TRUE(earlier.ok() && earlier->has_value());
  EXPECT_EQ((*earlier)->job_id, "1");
  EXPECT_EQ((*earlier)->fingerprint, "print");
  EXPECT_FALSE(store_->FindRequest("another", "request")->has_value());
  EXPECT_FALSE(store_->Insert(Job("2"), {"t", "request", "print", ""}, false).ok());
}

TEST_F(SqliteJobStoreTest, ListsNewestFirstByTenantAndState) {
  for (const char* id : {"1", "2", "3"}) ASSERT_TRUE(store_->Insert(Job(id), {}, false).ok());
  ASSERT_TRUE(store_->Insert(Job("4", v1::JOB_STATE_QUEUED, "other"), {}, false).ok());
  ASSERT_TRUE(store_->Update(Job("2", v1::JOB_STATE_RUNNING)).ok());
  EXPECT_EQ(Ids(store_->List("t", {}, UINT64_MAX, 10)), "321");
  EXPECT_EQ(Ids(store_->List("t", {}, NumberOf("3"), 1)), "2");
  EXPECT_EQ(Ids(store_->List("t", {v1::JOB_STATE_QUEUED}, UINT64_MAX, 10)), "31");
  EXPECT_EQ(Ids(store_->List("t", {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING}, UINT64_MAX, 10)), "321");
  EXPECT_EQ(Ids(store_->Unfinished()), "1234");
}

TEST_F(SqliteJobStoreTest, KeepsPicturesOnce) {
  ASSERT_TRUE(store_->Insert(Job("1"), {}, false).ok());
  const std::string bytes("\0\x89PNG\0", 6);
  ASSERT_TRUE(store_->InsertImage("1", {3, UINT64_MAX, "image/png", bytes, 17}).ok());
  ASSERT_TRUE(store_->InsertImage("1", {3, 1, "image/png", "another", 18}).ok());
  const auto marks = store_->Images("1");
  ASSERT_TRUE(marks.ok() && marks->size() == 1);
  EXPECT_EQ(marks->front().index, 3U);
  EXPECT_EQ(marks->front().sequence, 17U);
  const auto image = store_->FindImage("1", 3);
  ASSERT_TRUE(image.ok() && image->has_value());
  EXPECT_EQ((*image)->data, bytes);
  EXPECT_EQ((*image)->seed, UINT64_MAX);
}

TEST_F(SqliteJobStoreTest, PurgesEndedJobsWithTheirPictures) {
  ASSERT_TRUE(store_->Insert(Job("1"), {}, false).ok());
  ASSERT_TRUE(store_->Insert(Job("2"), {}, false).ok());
  ASSERT_TRUE(store_->InsertImage("1", {0, 1, "image/png", "x", 1}).ok());
  ASSERT_TRUE(store_->End(Ended("1"), 5).ok());
  EXPECT_EQ(*store_->Purge(absl::UnixEpoch()), 0);
  EXPECT_EQ(*store_->Purge(absl::UnixEpoch() + absl::Hours(2)), 1);
  EXPECT_FALSE(store_->Find("1")->has_value());
  EXPECT_TRUE(store_->Images("1")->empty());
  EXPECT_TRUE(store_->Find("2")->has_value());
}

TEST_F(SqliteJobStoreTest, KeepsHowAJobEndedAndWhetherItIsTied) {
  ASSERT_TRUE(store_->Insert(Job("1"), {}, true).ok());
  ASSERT_TRUE(store_->Insert(Job("2"), {}, true).ok());
  ASSERT_TRUE(store_->Untie("2").ok());
  ASSERT_TRUE(store_->End(Ended("1"), UINT64_C(3) << 40).ok());
  Reopen();
  const auto first = store_->Find("1"), second = store_->Find("2");
  ASSERT_TRUE(first.ok() && first->has_value() && second.ok() && second->has_value());
  EXPECT_TRUE((*first)->tied);
  EXPECT_EQ((*first)->end_sequence, UINT64_C(3) << 40);
  EXPECT_FALSE((*second)->tied);
  EXPECT_EQ((*second)->end_sequence, 0U);
  EXPECT_EQ(Ids(store_->Unfinished()), "2");
}

TEST_F(SqliteJobStoreTest, ARequestIdGoesOverToTheJobThatReplaces) {
  ASSERT_TRUE(store_->Insert(Job("1"), {"t", "r", "print", ""}, true).ok());
  ASSERT_TRUE(store_->Insert(Job("2"), {"t", "r", "print", "1"}, true).ok());
  const auto earlier = store_->FindRequest("t", "r");
  ASSERT_TRUE(earlier.ok() && earlier->has_value());
  EXPECT_EQ((*earlier)->job_id, "2");
  EXPECT_TRUE(store_->Find("1")->has_value());
}

TEST_F(SqliteJobStoreTest, RefusesASecondServer) {
  const auto second = SqliteJobStore::Open(directory_, absl::ZeroDuration());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr("another mind-server"));
}

TEST_F(SqliteJobStoreTest, WaitsForAServerThatIsAboutToGo) {
  std::thread closes([this] { store_.reset(); });
  const auto second = SqliteJobStore::Open(directory_, absl::Seconds(60));
  closes.join();
  EXPECT_TRUE(second.ok()) << second.status();
}

TEST_F(SqliteJobStoreTest, ItsOwnerAloneMayReadIt) {
  using std::filesystem::perms;
  const std::string path = directory_ + "/jobs.db";
  ASSERT_TRUE(store_->Insert(Job("1"), {}, false).ok());
  store_.reset();
  std::filesystem::permissions(path, perms::owner_read | perms::owner_write | perms::others_read);
  Reopen();
  ASSERT_TRUE(store_->Insert(Job("2"), {}, false).ok());
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    EXPECT_EQ(file.status().permissions(), perms::owner_read | perms::owner_write) << file.path();
  }
}

TEST_F(SqliteJobStoreTest, ARowThatCannotBeReadIsSetAside) {
  for (const char* id : {"1", "2", "3"}) ASSERT_TRUE(store_->Insert(Job(id), {}, false).ok());
  Meddle("UPDATE jobs SET job = x'ff' WHERE id = '2'");
  Reopen();
  EXPECT_EQ(Ids(store_->Unfinished()), "13");
  EXPECT_EQ(Ids(store_->List("t", {}, UINT64_MAX, 10)), "321");
  const auto damaged = store_->Find("2");
  ASSERT_TRUE(damaged.ok() && damaged->has_value()) << damaged.status();
  EXPECT_EQ((*damaged)->job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ((*damaged)->job.error().code(), static_cast<int>(absl::StatusCode::kDataLoss));
  EXPECT_GT((*damaged)->end_sequence, 0U);
}

TEST_F(SqliteJobStoreTest, AModelThatCannotBeReadIsLeftOut) {
  v1::Model model;
  model.set_name("a");
  ASSERT_TRUE(store_->SaveModels({model}).ok());
  Meddle("INSERT INTO models VALUES('b', x'ff')");
  Reopen();
  const auto models = store_->Models();
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->size(), 1U);
}

TEST_F(SqliteJobStoreTest, TakesUpAFileOfTheFirstVersion) {
  store_.reset();
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directory(directory_);
  std::string job;
  for (const unsigned char byte : Job("1").SerializeAsString())
    absl::StrAppend(&job, absl::Hex(byte, absl::kZeroPad2));
  Meddle(R"sql(
    CREATE TABLE jobs(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,
      request_id TEXT, fingerprint BLOB, state INTEGER NOT NULL, ended_ms INTEGER, job BLOB NOT NULL);
    CREATE TABLE images(job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, image_index INTEGER NOT NULL,
      seed INTEGER NOT NULL, media_type TEXT NOT NULL, data BLOB NOT NULL,
      PRIMARY KEY(job_id, image_index)) WITHOUT ROWID;
    CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES('epoch', 4);
    INSERT INTO images VALUES('1', 2, 7, 'image/png', 'x');
    INSERT INTO jobs(id, tenant, state, job) VALUES('1', 't', 1, x')sql" +
         job + "')");
  Reopen();
  EXPECT_EQ(store_->epoch(), 5U);
  EXPECT_EQ(Ids(store_->Unfinished()), "1");
  const auto images = store_->Images("1");
  ASSERT_TRUE(images.ok() && images->size() == 1);
  EXPECT_GT(images->front().sequence, (UINT64_C(4) << 40) + 1'000'000);  // above all that was told
  EXPECT_LT(images->front().sequence, UINT64_C(5) << 40);
}

TEST_F(SqliteJobStoreTest, RefusesAFileOfANewerVersion) {
  Meddle("PRAGMA user_version = 99");
  const auto opened = SqliteJobStore::Open(directory_);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(std::string(opened.status().message()),
              testing::HasSubstr("newer mind-server: it is of version 99"));
  Meddle("PRAGMA user_version = 2");  // as it was
  Reopen();
}

TEST_F(SqliteJobStoreTest, NoticesADamagedFileAtTheStart) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(store_->Insert(Job(std::to_string(i)), {}, false).ok());
    ASSERT_TRUE(store_->InsertImage(std::to_string(i), {0, 1, "image/png", std::string(2000, 'x'), 1}).ok());
  }
  store_.reset();
  {
    std::fstream file(directory_ + "/jobs.db", std::ios::in | std::ios::out | std::ios::binary);
    for (int page = 10; page < 60; ++page) {
      file.seekp(page * 4096);
      file << std::string(64, '\x7f');
    }
  }
  const auto opened = SqliteJobStore::Open(directory_);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(std::string(opened.status().message()), testing::HasSubstr("damaged"));
}

// No file may be written, as on a disk without room; until it is destroyed.
class NoRoom {
 public:
  NoRoom() : ignored_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now = before_;
    now.rlim_cur = 0;
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~NoRoom() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, ignored_);
  }

 private:
  void (*const ignored_)(int);
  rlimit before_{};
};

TEST_F(SqliteJobStoreTest, WithoutRoomItSaysSoChangesNothingAndGoesOnLater) {
  ASSERT_TRUE(store_->Insert(Job("1"), {}, false).ok());
  {
    const NoRoom no_room;
    for (const absl::Status& status :
         {store_->Insert(Job("2"), {}, false), store_->InsertImage("1", {0, 1, "image/png", "x", 1}),
          store_->End(Ended("1"), 1), store_->Insert(Job("3"), {"t", "r", "p", "1"}, true),
          store_->Probe()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
      EXPECT_TRUE(GetErrorInfo(status).has_value());
      EXPECT_TRUE(GetRetryDelay(status).has_value());
    }
    EXPECT_EQ(Ids(store_->Unfinished()), "1");  // it can still be read
  }
  EXPECT_TRUE(store_->Probe().ok());
  EXPECT_TRUE(store_->Insert(Job("2"), {}, false).ok());
  EXPECT_TRUE(store_->InsertImage("1", {0, 1, "image/png", "x", 1}).ok());
  Reopen();
  EXPECT_EQ(Ids(store_->Unfinished()), "12");
  EXPECT_EQ(store_->Images("1")->size(), 1U);
}

TEST_F(SqliteJobStoreTest, RefusesAFileThatIsNoDatabase) {
  store_.reset();
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directory(directory_);
  std::ofstream(directory_ + "/jobs.db") << std::string(4096, 'x');
  EXPECT_FALSE(SqliteJobStore::Open(directory_).ok());
}

}  // namespace
}  // namespace mind::server
