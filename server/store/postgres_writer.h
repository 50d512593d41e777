// The half of the PostgreSQL store that writes, in one term.
#ifndef MIND_SERVER_STORE_POSTGRES_WRITER_H_
#define MIND_SERVER_STORE_POSTGRES_WRITER_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/store/damaged_job.h"
#include "server/store/job_store.h"
#include "server/store/object_writer.h"
#include "server/store/postgres_connection.h"
#include "server/store/store_batch.h"
#include "server/store/store_durability.h"

namespace mind::server {

// What is committed together goes in one round trip, with the fence before it; large pictures go to the
// object store first, if there is one.
//
// Belongs to one thread at a time, but for durability() and GiveUp(). Errors: see JobStore.
class PostgresWriter {
 public:
  // `holder`: see TermRow.
  // `objects`, which may be null, must outlive it.
  PostgresWriter(const std::string& url, const std::string& holder, uint64_t term, ObjectStore* objects);

  // Brings the tables up to date. FAILED_PRECONDITION: they are of a newer version.
  absl::Status Prepare();
  absl::Status Commit(const StoreBatch& batch);
  absl::StatusOr<int> Purge(const PurgeQuery& query, int limit);
  // Ends a job whose row cannot be read; its bytes are kept in `damaged`.
  void SetAside(const DamagedRow& row);

  // See PostgresConnection. Thread-safe.
  void GiveUp() {
    object_writer_.GiveUp();
    connection_.GiveUp();
  }
  // By the settings at the last connection or purge.
  StoreDurability durability() const;

 private:
  // A batch as calls. What they name lives as long as this and the batch.
  class Calls;

  // On each new connection: what an earlier one of this server had begun has happened by then, or never will.
  absl::Status BeginSession(PostgresConnection& connection);
  absl::Status ReadDurability(PostgresConnection& connection);
  // Of answers about jobs that were deleted (MIND_OBJECTS_OF_GONE): lets their objects go. How many jobs
  // there were.
  int DeleteObjects(absl::Span<const PostgresRows> answers);

  const std::string session_;
  const uint64_t term_;
  ObjectWriter object_writer_;
  PostgresConnection connection_;
  mutable absl::Mutex mutex_;
  StoreDurability durability_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_WRITER_H_
