// One SQLite statement: bind, step, read. And those of a connection that are prepared once and used again.
#ifndef MIND_SERVER_STORE_SQLITE_STATEMENT_H_
#define MIND_SERVER_STORE_SQLITE_STATEMENT_H_

#include <sqlite3.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mind::server {

// What an error of SQLite's is to the outside: see JobStore.
absl::Status StoreError(int code, const std::string& message);

// Statements of one connection that are not in use, by their SQL: literals, known again by their address.
// Must go before the connection does. Belongs to one thread at a time.
class SqliteStatements {
 public:
  SqliteStatements() = default;
  SqliteStatements(const SqliteStatements&) = delete;
  SqliteStatements& operator=(const SqliteStatements&) = delete;
  ~SqliteStatements() {
    for (const auto& [sql, statement] : spare_) sqlite3_finalize(statement);
  }

  // Null: there is none of this SQL.
  sqlite3_stmt* Take(const char* sql) {
    const auto found = spare_.extract(sql);
    return found.empty() ? nullptr : found.mapped();
  }
  void GiveBack(const char* sql, sqlite3_stmt* statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (!spare_.emplace(sql, statement).second) sqlite3_finalize(statement);
  }

 private:
  std::map<const char*, sqlite3_stmt*> spare_;
};

struct ReleaseSqliteStatement {
  SqliteStatements* to = nullptr;  // null: nobody uses it again
  const char* sql = nullptr;

  void operator()(sqlite3_stmt* statement) const {
    to == nullptr ? static_cast<void>(sqlite3_finalize(statement)) : to->GiveBack(sql, statement);
  }
};

// Belongs to one thread. Errors stick: after the first, nothing is executed and status() says what it was.
class SqliteStatement {
 public:
  // To be used once.
  SqliteStatement(sqlite3* database, const std::string& sql) : database_(database) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v2(database, sql.c_str(), static_cast<int>(sql.size()), &statement, nullptr));
    statement_.reset(statement);
  }
  // Prepared only where there is none of this SQL, a literal, to spare. `statements` must outlive it.
  SqliteStatement(sqlite3* database, SqliteStatements& statements, const char* sql)
      : database_(database), statement_(statements.Take(sql), ReleaseSqliteStatement{&statements, sql}) {
    if (statement_ != nullptr) return;
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
    statement_.reset(statement);
  }

  // Parameters in order. The bytes are not copied: they must live until the statement has run.
  SqliteStatement& Text(std::string_view value) {
    if (status_.ok()) {
      Check(sqlite3_bind_text(statement_.get(), ++bound_, value.data(), static_cast<int>(value.size()),
                              SQLITE_STATIC));
    }
    return *this;
  }
  SqliteStatement& Blob(std::string_view value) {
    if (status_.ok()) {
      Check(sqlite3_bind_blob64(statement_.get(), ++bound_, value.data(), value.size(), SQLITE_STATIC));
    }
    return *this;
  }
  SqliteStatement& Int(int64_t value) {
    if (status_.ok()) Check(sqlite3_bind_int64(statement_.get(), ++bound_, value));
    return *this;
  }
  SqliteStatement& Null() {
    if (status_.ok()) Check(sqlite3_bind_null(statement_.get(), ++bound_));
    return *this;
  }

  // True: there is a row to read. False: done, or an error (see status()).
  bool Next() {
    if (!status_.ok()) return false;
    const int code = sqlite3_step(statement_.get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) Check(code);
    return code == SQLITE_ROW;
  }
  // For statements without rows.
  absl::Status Run() {
    while (Next()) {
    }
    return status_;
  }

  std::string Bytes(int column) const {
    const void* const data = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return data == nullptr ? std::string()
                           : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
  }
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

  const absl::Status& status() const { return status_; }

 private:
  void Check(int code) {
    if (code == SQLITE_OK || !status_.ok()) return;
    status_ = StoreError(code, sqlite3_errmsg(database_));
  }

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, ReleaseSqliteStatement> statement_;
  int bound_ = 0;
  absl::Status status_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_STATEMENT_H_
