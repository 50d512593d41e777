// One connection to jobs.db.
#ifndef MIND_SERVER_STORE_SQLITE_CONNECTION_H_
#define MIND_SERVER_STORE_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/sqlite_statement.h"

namespace mind::server {

// Belongs to one thread at a time.
class SqliteConnection {
 public:
  // For reading and writing: a commit is on the disk, not only with the kernel. Waits as long as `patience`
  // for another process to let go of the file. The file is not looked at yet.
  static absl::StatusOr<SqliteConnection> ToWrite(const std::string& path, absl::Duration patience);
  // For reading what has been committed.
  static absl::StatusOr<SqliteConnection> ToRead(const std::string& path);

  sqlite3* get() const { return database_.get(); }
  // Prepares a statement the first time. `sql` is a literal.
  SqliteStatement Sql(const char* sql) { return SqliteStatement(get(), *statements_, sql); }
  // All that `work` does reaches the disk, or nothing does.
  absl::Status Together(const std::function<absl::Status()>& work);

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };

  static absl::StatusOr<SqliteConnection> Open(const std::string& path, int flags, const char* settings,
                                               absl::Duration patience);
  explicit SqliteConnection(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Close> database_;
  std::unique_ptr<SqliteStatements> statements_ = std::make_unique<SqliteStatements>();
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_CONNECTION_H_
