// The half of the SQLite store that writes.
#ifndef MIND_SERVER_STORE_SQLITE_WRITER_H_
#define MIND_SERVER_STORE_SQLITE_WRITER_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/blob_store.h"
#include "server/store/damaged_job.h"
#include "server/store/job_store.h"
#include "server/store/object_writer.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_statement.h"
#include "server/store/store_batch.h"

namespace mind::server {

// Large pictures become objects, or blobs where there is no place for objects, before the commit of the rows
// that name them; small ones lie in their rows, which saves them syncs of their own. What no row names any
// more is deleted after the commit.
//
// Belongs to one thread at a time, but for GiveUp. Errors: see JobStore.
class SqliteWriter {
 public:
  // `blobs` and `objects`, which may be null, must outlive it.
  SqliteWriter(SqliteConnection connection, BlobStore& blobs, ObjectStore* objects, uint64_t epoch)
      : connection_(std::move(connection)), blobs_(blobs), object_writer_(objects), epoch_(epoch) {}

  absl::Status Commit(const StoreBatch& batch);
  absl::StatusOr<int> Purge(const PurgeQuery& query, int limit);
  absl::StatusOr<uint64_t> BytesUsed();
  // Deletes blobs that a crash has left without a row.
  void Sweep();
  // Ends a job whose row cannot be read as DATA_LOSS, so that it is in nobody's way; the bytes are kept in
  // `damaged`.
  void SetAside(const DamagedRow& row);
  // Waits for no object store any more. From any thread.
  void GiveUp() { object_writer_.GiveUp(); }

 private:
  // All that `work` does reaches the disk, or nothing does; then deletes what it has found to be of no more
  // use.
  absl::Status Together(const std::function<absl::Status()>& work);
  // What of a picture goes into its row.
  struct Columns {
    std::string_view data;
    std::string hash;                      // of one that is elsewhere
    const StoredObject* object = nullptr;  // null: it is a blob, or here
  };
  // Makes a large picture that is no object a blob. `hash`: if it is known.
  absl::StatusOr<Columns> Place(const std::string& job_id, const std::string& data,
                                const std::string& hash = "");
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
  ObjectWriter object_writer_;
  const uint64_t epoch_;
  BatchObjects objects_;                // of this commit
  std::vector<std::string> unnamed_;    // in this commit: blobs that a deleted row has named
  std::vector<std::string> left_over_;  // in this commit: objects that a deleted row has named
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_WRITER_H_
