#include "server/store/sqlite_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/store_rig.h"

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
  absl::Status Write(StoreBatch batch) { return Commit(*store_, std::move(batch)); }
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
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  store_.reset();
  std::filesystem::permissions(path, perms::owner_read | perms::owner_write | perms::others_read);
  Reopen();
  ASSERT_TRUE(Write({Inserted("2")}).ok());
  ASSERT_TRUE(Write({Image("2", 0, std::string(100'000, 'x'), 1)}).ok());
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory_)) {
    const perms rights = perms::owner_read | perms::owner_write;
    EXPECT_EQ(file.status().permissions(), file.is_directory() ? rights | perms::owner_exec : rights)
        << file.path();
  }
}

TEST_F(SqliteJobStoreTest, ARowThatCannotBeReadIsSetAside) {
  ASSERT_TRUE(Write({Inserted("1"), Inserted("2"), Inserted("3")}).ok());
  Meddle("UPDATE jobs SET job = x'ff' WHERE id = '2'");
  Reopen();
  EXPECT_EQ(UnfinishedIds(*store_), "13");
  EXPECT_EQ(List(*store_, "t"), "321");
  const auto damaged = Find(*store_, "2");
  ASSERT_TRUE(damaged.ok() && damaged->has_value()) << damaged.status();
  EXPECT_EQ((*damaged)->job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ((*damaged)->job.error().code(), static_cast<int>(absl::StatusCode::kDataLoss));
  EXPECT_GT((*damaged)->end_sequence, 0U);
}

// What is parsed and cannot be read is set aside, and has ended.
TEST_F(SqliteJobStoreTest, AnotherTenantsJobIsNotParsed) {
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  Meddle("CREATE TABLE whole AS SELECT job FROM jobs; UPDATE jobs SET job = x'ff'");
  Reopen();
  EXPECT_FALSE(Find(*store_, "1", "another")->has_value());
  Meddle("UPDATE jobs SET job = (SELECT job FROM whole); DROP TABLE whole");
  Reopen();
  EXPECT_EQ(UnfinishedIds(*store_), "1");
}

TEST_F(SqliteJobStoreTest, AModelThatCannotBeReadIsLeftOut) {
  v1::Model model;
  model.set_name("a");
  ASSERT_TRUE(Write({SaveModel{model}}).ok());
  Meddle("INSERT INTO models VALUES('b', x'ff')");
  Reopen();
  const auto models = AllModels(*store_);
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->size(), 1U);
}

TEST_F(SqliteJobStoreTest, TakesUpAFileOfTheFirstVersion) {
  store_.reset();
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directory(directory_);
  v1::Job old = StoreJob("1");
  old.mutable_spec()->set_source_image("a picture that lay in its job");
  const std::string job = absl::BytesToHexString(old.SerializeAsString());
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
  EXPECT_EQ(UnfinishedIds(*store_), "1");
  const PictureBytes pictures = FindSources(*store_, "1").value();
  ASSERT_EQ(pictures.size(), 1U);
  EXPECT_EQ(pictures.begin()->first, Unfinished(*store_)[0].job.spec().source_image());
  EXPECT_EQ(pictures.begin()->second, "a picture that lay in its job");
  EXPECT_EQ(FindImage(*store_, "1", 2).value()->data, "x");
  const std::vector<ImageMark> images = Find(*store_, "1").value()->images;
  ASSERT_EQ(images.size(), 1U);
  EXPECT_GT(images.front().sequence, (UINT64_C(4) << 40) + 1'000'000);  // above all that was told
  EXPECT_LT(images.front().sequence, UINT64_C(5) << 40);
}

TEST_F(SqliteJobStoreTest, RefusesAFileOfANewerVersion) {
  Meddle("PRAGMA user_version = 99");
  const auto opened = SqliteJobStore::Open(directory_);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(std::string(opened.status().message()),
              testing::HasSubstr("newer mind-server: it is of version 99"));
  Meddle("PRAGMA user_version = 10");  // as it was
  Reopen();
}

TEST_F(SqliteJobStoreTest, NoticesADamagedFileAtTheStart) {
  for (int i = 0; i < 200; ++i) {
    const std::string id = std::to_string(i);
    ASSERT_TRUE(Write({Inserted(id), Image(id, 0, std::string(2000, 'x'), 1)}).ok());
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

// Large pictures are files, which go with the last job that has them.
TEST_F(SqliteJobStoreTest, FilesOfPicturesGoWithTheirJobs) {
  const auto files = [this] {
    int count = 0;
    const std::string blobs = directory_ + "/blobs";
    if (!std::filesystem::exists(blobs)) return 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(blobs)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  };
  const std::string shared(100'000, 's'), own(100'000, 'o');
  InsertJob first = Inserted("1"), second = Inserted("2");
  first.pictures = second.pictures = {MakeBlob(shared)};
  ASSERT_TRUE(Write({first, second, Image("1", 0, own, 1), Image("2", 0, "small", 1)}).ok());
  EXPECT_EQ(files(), 2);
  ASSERT_TRUE(Write({Ended("1", 2)}).ok());
  EXPECT_EQ(Purge(*store_, absl::UnixEpoch() + absl::Hours(2)), 1);
  EXPECT_EQ(files(), 1);
  EXPECT_EQ(FindSources(*store_, "2").value().size(), 1U);
  ASSERT_TRUE(Write({ForgetJob{"2"}}).ok());
  EXPECT_EQ(files(), 0);
  // What a crash has left behind goes at the next start.
  BlobFiles(directory_ + "/blobs").Put(Sha256(own), own).IgnoreError();
  EXPECT_EQ(files(), 1);
  Reopen();
  EXPECT_TRUE(Write({}).ok());
  EXPECT_EQ(files(), 0);
}

TEST_F(SqliteJobStoreTest, SaysWhatItTakesUpWithItsBlobs) {
  const auto used = [this] {
    const auto bytes = Await<absl::StatusOr<uint64_t>>([&](const auto& done) { store_->BytesUsed(done); });
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or(0);
  };
  const uint64_t empty = used();
  ASSERT_TRUE(Write({Inserted("1"), Image("1", 0, std::string(1 << 20, 'x'), 1),
                     Image("1", 1, std::string(60'000, 'y'), 1)})
                  .ok());
  EXPECT_GE(used(), empty + (1 << 20) + 60'000);
  Reopen();
  EXPECT_GE(used(), empty + (1 << 20) + 60'000) << "files of before are counted";
  ASSERT_TRUE(Write({ForgetJob{"1"}}).ok());
  EXPECT_LT(used(), empty + 60'000) << "what is free for more is not counted";
}

// A picture in a row, a prompt, a label: their bytes are nowhere in the folder once they are forgotten.
TEST_F(SqliteJobStoreTest, WhatIsForgottenIsOverwritten) {
  InsertJob insert = Inserted("1");
  insert.job.mutable_spec()->set_prompt("a most secret prompt");
  (*insert.job.mutable_labels())["for"] = "a most secret label";
  std::string picture;
  for (int i = 0; i < 2000; ++i) picture += "a most secret picture";
  ASSERT_TRUE(Write({insert, Image("1", 0, picture, 1), Inserted("2")}).ok());
  const auto secrets = [this] {
    int found = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory_)) {
      std::ifstream stream(file.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
      found += absl::StrContains(bytes, "most secret") ? 1 : 0;
    }
    return found;
  };
  EXPECT_GT(secrets(), 0);
  ASSERT_TRUE(Write({ForgetJob{"1"}}).ok());
  Reopen();  // the log of before is written back
  EXPECT_EQ(secrets(), 0);
}

TEST_F(SqliteJobStoreTest, APictureWhoseFileIsDamagedIsNotGivenOut) {
  const std::string data(100'000, 'x'), hex = absl::BytesToHexString(Sha256(data));
  ASSERT_TRUE(Write({Inserted("1"), Image("1", 0, data, 1)}).ok());
  const std::string path = absl::StrCat(directory_, "/blobs/", hex.substr(0, 2), "/", hex);
  std::filesystem::resize_file(path, 50'000);
  EXPECT_EQ(FindImage(*store_, "1", 0).status().code(), absl::StatusCode::kDataLoss);
  std::filesystem::remove(path);
  EXPECT_EQ(FindImage(*store_, "1", 0).value(), std::nullopt);
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
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  const StoreBatch batch = {Inserted("2"), Image("1", 0, "x", 1), Inserted("3", {"t", "r", "p", "1"}, true),
                            Image("1", 1, std::string(100'000, 'x'), 2)};
  {
    const NoRoom no_room;
    for (int i = 0; i < 3; ++i) {
      const absl::Status status = Write(batch);
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
      EXPECT_TRUE(GetErrorInfo(status).has_value());
      EXPECT_TRUE(GetRetryDelay(status).has_value());
    }
    EXPECT_EQ(UnfinishedIds(*store_), "1");  // it can still be read
  }
  EXPECT_TRUE(Write(batch).ok());
  Reopen();
  EXPECT_EQ(UnfinishedIds(*store_), "123");
  EXPECT_EQ(Find(*store_, "1").value()->images.size(), 2U);
}

TEST_F(SqliteJobStoreTest, AnswersQuestionsWhileABatchIsBeingWritten) {
  ASSERT_TRUE(Write({Inserted("1")}).ok());
  StoreBatch large;
  for (int i = 0; i < 2000; ++i) large.push_back(Inserted("large " + std::to_string(i)));
  absl::Notification written;
  store_->Commit(std::make_shared<const StoreBatch>(std::move(large)), [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    written.Notify();
  });
  while (!written.HasBeenNotified()) {
    const auto found = Find(*store_, "1");
    ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  }
  EXPECT_EQ(Unfinished(*store_).size(), 2001U);
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
