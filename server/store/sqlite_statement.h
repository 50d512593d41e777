// One prepared SQLite statement: bind, step, read.
#ifndef MIND_SERVER_STORE_SQLITE_STATEMENT_H_
#define MIND_SERVER_STORE_SQLITE_STATEMENT_H_

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mind::server {

// What an error of SQLite's is to the outside: see JobStore.
absl::Status StoreError(int code, const std::string& message);

// Belongs to one thread. Errors stick: after the first, nothing is executed and status() says what it was.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* database, const std::string& sql) : database_(database) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v2(database, sql.c_str(), static_cast<int>(sql.size()), &statement, nullptr));
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
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  void Check(int code) {
    if (code == SQLITE_OK || !status_.ok()) return;
    status_ = StoreError(code, sqlite3_errmsg(database_));
  }

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
  absl::Status status_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_STATEMENT_H_
