// The half of the SQLite store that writes.
#ifndef MIND_SERVER_STORE_SQLITE_WRITER_H_
#define MIND_SERVER_STORE_SQLITE_WRITER_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_statement.h"
#include "server/store/store_batch.h"

namespace mind::server {

// A job whose row cannot be read.
struct DamagedRow {
  uint64_t number = 0;
  std::string id, tenant;
};

// Belongs to one thread at a time. Errors: see JobStore.
class SqliteWriter {
 public:
  SqliteWriter(SqliteConnection connection, uint64_t epoch)
      : connection_(std::move(connection)), epoch_(epoch) {}

  absl::Status Commit(const StoreBatch& batch);
  absl::StatusOr<int> Purge(absl::Time ended_before, int limit);
  // Ends a job whose row cannot be read as DATA_LOSS, so that it is in nobody's way; the bytes are kept in
  // `damaged`.
  void SetAside(const DamagedRow& row);

 private:
  absl::Status Do(const InsertJob& write);
  absl::Status Do(const UpdateJob& write);
  absl::Status Do(const EndJob& write);
  absl::Status Do(const UntieJob& write);
  absl::Status Do(const ForgetJob& write);
  absl::Status Do(const AddImage& write);
  absl::Status Do(const SaveModel& write);
  SqliteStatement Sql(const std::string& sql) { return SqliteStatement(connection_.get(), sql); }

  SqliteConnection connection_;
  const uint64_t epoch_;
};

// What a job whose row cannot be read is to the outside.
v1::Job DamagedJob(const DamagedRow& row);
// The number of the event that tells of its end: it comes after everything else, see JobFeeds.
uint64_t DamagedEndSequence(uint64_t epoch);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_WRITER_H_
