// The half of the SQLite store that writes.
#ifndef MIND_SERVER_STORE_SQLITE_WRITER_H_
#define MIND_SERVER_STORE_SQLITE_WRITER_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/blob_store.h"
#include "server/store/damaged_job.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_statement.h"
#include "server/store/store_batch.h"

namespace mind::server {

// Large pictures become blobs, before the commit of the rows that name them; small ones lie in their rows,
// which saves them syncs of their own. Blobs that no row names any more are deleted after the commit.
//
// Belongs to one thread at a time. Errors: see JobStore.
class SqliteWriter {
 public:
  // `blobs` must outlive it.
  SqliteWriter(SqliteConnection connection, BlobStore& blobs, uint64_t epoch)
      : connection_(std::move(connection)), blobs_(blobs), epoch_(epoch) {}

  absl::Status Commit(const StoreBatch& batch);
  absl::StatusOr<int> Purge(absl::Time ended_before, int limit);
  // Deletes blobs that a crash has left without a row.
  void Sweep();
  // Ends a job whose row cannot be read as DATA_LOSS, so that it is in nobody's way; the bytes are kept in
  // `damaged`.
  void SetAside(const DamagedRow& row);

 private:
  // All that `work` does reaches the disk, or nothing does; then deletes what it has found to be of no more
  // use.
  absl::Status Together(const std::function<absl::Status()>& work);
  // Makes a large picture a blob; true: it is one.
  absl::StatusOr<bool> PutIfLarge(const std::string& data, std::string& hash);
  // Deletes a job's row with all that belongs to it.
  absl::Status Delete(const std::string& id);
  absl::StatusOr<bool> IsNamed(const std::string& hash);
  absl::Status Do(const InsertJob& write);
  absl::Status Do(const UpdateJob& write);
  absl::Status Do(const EndJob& write);
  absl::Status NoteUsage(const v1::Job& job);
  absl::Status Do(const UntieJob& write);
  absl::Status Do(const ForgetJob& write);
  absl::Status Do(const AddImage& write);
  absl::Status Do(const SaveModel& write);
  absl::Status Do(const SettleWebhook& write);
  absl::Status Do(const AddSecret& write);
  absl::Status Do(const SavePrice& write);
  SqliteStatement Sql(const char* sql) { return connection_.Sql(sql); }

  SqliteConnection connection_;
  BlobStore& blobs_;
  const uint64_t epoch_;
  std::vector<std::string> unnamed_;  // in this commit: blobs that a deleted row has named
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_WRITER_H_
