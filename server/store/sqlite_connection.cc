#include "server/store/sqlite_connection.h"

#include "server/store/sqlite_schema.h"

namespace mind::server {
namespace {

// What readers wait for at most: the moment in which the log is written back into the file.
constexpr absl::Duration kReadPatience = absl::Seconds(5);

}  // namespace

absl::StatusOr<SqliteConnection> SqliteConnection::ToWrite(const std::string& path, absl::Duration patience) {
  return Open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
              "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
              // What is deleted is overwritten: its owner wants it gone.
              "PRAGMA secure_delete = ON;",
              patience);
}

absl::StatusOr<SqliteConnection> SqliteConnection::ToRead(const std::string& path) {
  return Open(path, SQLITE_OPEN_READWRITE, "PRAGMA query_only = ON;", kReadPatience);
}

absl::StatusOr<SqliteConnection> SqliteConnection::Open(const std::string& path, int flags,
                                                        const char* settings, absl::Duration patience) {
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  SqliteConnection connection(database);
  if (code != SQLITE_OK) return StoreError(code, sqlite3_errmsg(database));
  sqlite3_busy_timeout(database, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  if (absl::Status status = ExecuteSql(database, settings); !status.ok()) return status;
  return connection;
}

absl::Status SqliteConnection::Together(const std::function<absl::Status()>& work) {
  absl::Status status = Sql("BEGIN IMMEDIATE").Run();
  if (status.ok()) status = work();
  if (status.ok()) status = Sql("COMMIT").Run();
  // Some errors have rolled back already.
  if (!status.ok() && sqlite3_get_autocommit(get()) == 0) Sql("ROLLBACK").Run().IgnoreError();
  return status;
}

}  // namespace mind::server
