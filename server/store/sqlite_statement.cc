#include "server/store/sqlite_statement.h"

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr absl::Duration kSqliteRetry = absl::Seconds(5);

}  // namespace

absl::Status StoreError(int code, const std::string& message) {
  const std::string text = absl::StrCat("job store: ", message);
  switch (code & 0xff) {  // the primary code
    case SQLITE_FULL:
      return WithRetry(MakeError(absl::StatusCode::kUnavailable, text, "STORE_FULL"), kSqliteRetry);
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
      return WithRetry(MakeError(absl::StatusCode::kUnavailable, text, "STORE_UNAVAILABLE"), kSqliteRetry);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return MakeError(absl::StatusCode::kDataLoss, text, "STORE_DAMAGED");
    default:
      return MakeError(absl::StatusCode::kInternal, text, "STORE");
  }
}

}  // namespace mind::server
