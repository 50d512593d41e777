// The job store in one SQLite file, and files of large pictures beside it, or objects elsewhere: the default,
// for one server.
//
// One thread writes, a few read, each over a connection of its own: SQLite's log lets readers see what has
// been committed while the next batch is being written.
#ifndef MIND_SERVER_STORE_SQLITE_JOB_STORE_H_
#define MIND_SERVER_STORE_SQLITE_JOB_STORE_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "server/store/blob_files.h"
#include "server/store/directory_lock.h"
#include "server/store/job_store.h"
#include "server/store/object_store.h"
#include "server/store/sqlite_reader.h"
#include "server/store/sqlite_writer.h"
#include "server/store/task_thread.h"

namespace mind::server {

class SqliteJobStore : public JobStore {
 public:
  // Opens or creates jobs.db in `directory` (created if missing), which nobody else may read, and locks the
  // directory: a second server is refused, once it has waited for the first to go for that long.
  // FAILED_PRECONDITION says what is wrong.
  // `objects`: where large pictures are put from now on; null: into files. Those that are elsewhere are found
  // there.
  static absl::StatusOr<std::unique_ptr<SqliteJobStore>> Open(const std::string& directory,
                                                              absl::Duration patience = absl::Seconds(5),
                                                              std::shared_ptr<ObjectStore> objects = nullptr);
  // Does all it was asked for before.
  ~SqliteJobStore() override = default;

  void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) override;
  void Purge(const PurgeQuery& query, int limit, Done<int> done) override;
  void BytesUsed(Done<uint64_t> done) override;
  void Find(const std::string& tenant, const std::string& id, Done<std::optional<StoredJob>> done) override;
  void FindRequest(const std::string& tenant, const std::string& request_id,
                   Done<std::optional<EarlierRequest>> done) override;
  void List(const JobQuery& query, Done<std::vector<StoredJob>> done) override;
  void FindSources(const std::string& job_id, Done<PictureBytes> done) override;
  void FindImage(const std::string& job_id, uint32_t index, Done<std::optional<StoredImage>> done) override;
  void Models(Done<std::vector<v1::Model>> done) override;
  void ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) override;
  absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) override;
  StoreDurability durability() const override { return durability_; }
  absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) override;
  absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) override;
  absl::StatusOr<std::vector<StoredPrice>> Prices() override;
  void GiveUp() override { writer_->GiveUp(); }
  absl::StatusOr<std::vector<UsedTime>> UsedSince(absl::Time since) override;
  uint64_t epoch() const override { return epoch_; }

 private:
  static constexpr size_t kReaders = 2;
  // A reader and the thread it belongs to. Null before and while the store is being opened.
  struct Reading {
    std::unique_ptr<SqliteReader> reader;
    std::unique_ptr<TaskThread> thread;
  };

  SqliteJobStore(DirectoryLock lock, const std::string& directory, std::shared_ptr<ObjectStore> objects)
      : lock_(std::move(lock)), blobs_(directory + "/blobs"), objects_(std::move(objects)) {}
  absl::Status Prepare(const std::string& path, absl::Duration patience);
  // Has one of the readers do it, in its turn.
  void Read(std::function<void(SqliteReader&)> work);

  const DirectoryLock lock_;
  BlobFiles blobs_;
  const std::shared_ptr<ObjectStore> objects_;
  uint64_t epoch_ = 0;
  StoreDurability durability_;
  std::unique_ptr<SqliteWriter> writer_;
  std::unique_ptr<TaskThread> writing_;  // writer_'s thread
  std::array<Reading, kReaders> readers_;
  size_t next_reader_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_JOB_STORE_H_
