// Every kind of job store, opened again and again over the same data.
#ifndef MIND_TESTS_UNIT_SERVER_JOB_STORE_RIG_H_
#define MIND_TESTS_UNIT_SERVER_JOB_STORE_RIG_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "server/store/sqlite_job_store.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/postgres_rig.h"
#include "tests/unit/server/s3_rig.h"
#include "tests/unit/server/store_rig.h"

namespace mind::server {

// A kind of store: opened again and again over the same data.
struct StoreKind {
  const char* name;
  absl::StatusOr<std::unique_ptr<JobStore>> (*open)(const std::string& directory);
};
inline constexpr StoreKind kSqlite{
    "Sqlite", [](const std::string& directory) {
      return absl::StatusOr<std::unique_ptr<JobStore>>(SqliteJobStore::Open(directory));
    }};
// In a schema of the folder's own.
inline std::string UrlFor(const std::string& directory) {
  const std::string file = directory + "/schema";
  if (!std::filesystem::exists(file)) std::ofstream(file) << support::SharedPostgres().NewSchema();
  std::string url;
  std::getline(std::ifstream(file), url);
  return url;
}
inline constexpr StoreKind kPostgres{
    "Postgres", [](const std::string& directory) {
      return absl::StatusOr<std::unique_ptr<JobStore>>(OpenPostgres(UrlFor(directory)));
    }};
// Pictures of more than two bytes are objects.
inline std::shared_ptr<ObjectStore> ObjectsFor(const std::string& directory) {
  S3Options options = OptionsFor(support::SharedS3(), directory + "/");
  options.above = 2;
  return OpenS3(options);
}
inline constexpr StoreKind kSqliteAndS3{
    "SqliteAndS3", [](const std::string& directory) {
      return absl::StatusOr<std::unique_ptr<JobStore>>(
          SqliteJobStore::Open(directory, absl::Seconds(5), ObjectsFor(directory)));
    }};
inline constexpr StoreKind kPostgresAndS3{"PostgresAndS3", [](const std::string& directory) {
                                            return absl::StatusOr<std::unique_ptr<JobStore>>(
                                                OpenPostgres(UrlFor(directory), ObjectsFor(directory)));
                                          }};

// All of them: another kind of store is another of these.
inline auto EveryStore() {
  return testing::Values(kSqlite, kPostgres, kSqliteAndS3, kPostgresAndS3);
}
inline std::string NameOfStore(const testing::TestParamInfo<StoreKind>& kind) {
  return kind.param.name;
}

class JobStoreRig : public testing::TestWithParam<StoreKind> {
 protected:
  JobStoreRig() { Reopen(); }

  void Reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_.string());
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  void Write(StoreBatch batch) {
    const absl::Status status = Commit(*store_, std::move(batch));
    ASSERT_TRUE(status.ok()) << status;
  }
  StoredJob Stored(const std::string& id) {
    const auto found = Find(*store_, id);
    EXPECT_TRUE(found.ok() && found->has_value()) << id;
    return found.ok() ? found->value_or(StoredJob()) : StoredJob();
  }
  bool Has(const std::string& id) {
    const auto found = Find(*store_, id);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() && found->has_value();
  }

  const support::TemporaryFolder folder_;
  std::unique_ptr<JobStore> store_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_JOB_STORE_RIG_H_
