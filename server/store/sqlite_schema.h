// The tables of jobs.db, and how a file of an earlier version becomes one of this.
#ifndef MIND_SERVER_STORE_SQLITE_SCHEMA_H_
#define MIND_SERVER_STORE_SQLITE_SCHEMA_H_

#include <sqlite3.h>

#include "absl/status/status.h"
#include "server/store/sqlite_connection.h"

namespace mind::server {

// Runs SQL that gives no rows.
absl::Status ExecuteSql(sqlite3* database, const char* sql);

// Brings the file up to this version, in one transaction. FAILED_PRECONDITION, with the file as it was: it is
// of a newer one.
absl::Status BringUpToDate(SqliteConnection& connection);

// Looks for damage, for a bounded time. DATA_LOSS says what was found.
absl::Status QuickCheck(sqlite3* database);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_SCHEMA_H_
