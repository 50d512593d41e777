#include "server/store/sqlite_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

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

  static std::string Ids(const std::vector<v1::Job>& jobs) {
    std::string ids;
    for (const v1::Job& job : jobs) ids += job.id();
    return ids;
  }

  const support::TemporaryFolder folder_;
  const std::string directory_ = folder_.string();
  std::unique_ptr<SqliteJobStore> store_;
};

TEST_F(SqliteJobStoreTest, KeepsJobsOverAReopening) {
  ASSERT_TRUE(store_->Insert(Job("1"), {}).ok());
  Reopen();
  const auto found = store_->Find("1");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->spec().prompt(), "提示 1");
  EXPECT_FALSE(store_->Find("2")->has_value());
}

TEST_F(SqliteJobStoreTest, EpochRisesWithEveryOpening) {
  const uint64_t first = store_->epoch();
  Reopen();
  EXPECT_EQ(store_->epoch(), first + 1);
}

TEST_F(SqliteJobStoreTest, FindsTheJobOfARequestId) {
  ASSERT_TRUE(store_->Insert(Job("1"), {"t", "request", "print"}).ok());
  const auto earlier = store_->FindRequest("t", "request");
  ASSERT_TRUE(earlier.ok() && earlier->has_value());
  EXPECT_EQ((*earlier)->job_id, "1");
  EXPECT_EQ((*earlier)->fingerprint, "print");
  EXPECT_FALSE(store_->FindRequest("another", "request")->has_value());
  EXPECT_FALSE(store_->Insert(Job("2"), {"t", "request", "print"}).ok());
}

TEST_F(SqliteJobStoreTest, ListsNewestFirstByTenantAndState) {
  for (const char* id : {"1", "2", "3"}) ASSERT_TRUE(store_->Insert(Job(id), {}).ok());
  ASSERT_TRUE(store_->Insert(Job("4", v1::JOB_STATE_QUEUED, "other"), {}).ok());
  ASSERT_TRUE(store_->Update(Job("2", v1::JOB_STATE_RUNNING)).ok());
  EXPECT_EQ(Ids(*store_->List("t", std::nullopt, "", 10)), "321");
  EXPECT_EQ(Ids(*store_->List("t", std::nullopt, "3", 1)), "2");
  EXPECT_EQ(Ids(*store_->List("t", v1::JOB_STATE_QUEUED, "", 10)), "31");
  EXPECT_EQ(Ids(*store_->Unfinished()), "1234");
}

TEST_F(SqliteJobStoreTest, KeepsPicturesOnce) {
  ASSERT_TRUE(store_->Insert(Job("1"), {}).ok());
  const std::string bytes("\0\x89PNG\0", 6);
  ASSERT_TRUE(store_->InsertImage("1", {3, UINT64_MAX, "image/png", bytes}).ok());
  ASSERT_TRUE(store_->InsertImage("1", {3, 1, "image/png", "another"}).ok());
  EXPECT_EQ(*store_->ImageIndices("1"), std::vector<uint32_t>{3});
  const auto image = store_->FindImage("1", 3);
  ASSERT_TRUE(image.ok() && image->has_value());
  EXPECT_EQ((*image)->data, bytes);
  EXPECT_EQ((*image)->seed, UINT64_MAX);
}

TEST_F(SqliteJobStoreTest, PurgesEndedJobsWithTheirPictures) {
  v1::Job job = Job("1");
  ASSERT_TRUE(store_->Insert(job, {}).ok());
  ASSERT_TRUE(store_->Insert(Job("2"), {}).ok());
  ASSERT_TRUE(store_->InsertImage("1", {0, 1, "image/png", "x"}).ok());
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  *job.mutable_end_time() = ToTimestamp(absl::UnixEpoch() + absl::Hours(1));
  ASSERT_TRUE(store_->Update(job).ok());
  EXPECT_EQ(*store_->Purge(absl::UnixEpoch()), 0);
  EXPECT_EQ(*store_->Purge(absl::UnixEpoch() + absl::Hours(2)), 1);
  EXPECT_FALSE(store_->Find("1")->has_value());
  EXPECT_TRUE(store_->ImageIndices("1")->empty());
  EXPECT_TRUE(store_->Find("2")->has_value());
}

TEST_F(SqliteJobStoreTest, RefusesASecondServer) {
  const auto second = SqliteJobStore::Open(directory_);
  EXPECT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr("another mind-server"));
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
