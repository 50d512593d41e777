#include "server/store/postgres_error.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "proto/support/errors.h"
#include "server/store/term_store.h"

namespace mind::server {
namespace {

constexpr absl::Duration kPostgresRetry = absl::Seconds(5);

// Classes and codes after which the same may succeed later, perhaps over another connection.
constexpr std::string_view kPassing[] = {
    "08",     // connection
    "25006",  // it only reads: a standby, or a primary that is none any more
    "25P03",  // idle in a transaction for too long
    "42P01",  // kNoTables
    "40",     // rolled back: serialization, deadlock
    "53",     // no room, no memory, no connection left
    "55P03",  // a lock was not to be had in time
    "57",     // going down, not up yet, cancelled
    "58",     // I/O
};
// What a connection is refused with that no patience helps against.
constexpr std::string_view kRefusals[] = {
    "28",     // who it is for, or the password
    "3D000",  // there is no such database
    "42501",  // it may not be used
};
constexpr std::string_view kNoTables = "42P01";  // nobody has decided with this store yet
constexpr std::string_view kDiskFull = "53100";
// Files that are damaged: XX001, XX002.
constexpr std::string_view kDamaged = "XX00";
constexpr std::string_view kInternal = "XX000";

}  // namespace

absl::Status PostgresError(std::string_view sqlstate, const std::string& message) {
  const std::string text = absl::StrCat(
      "job store: ",
      sqlstate == kNoTables ? "there are no tables yet, which the first server that leads makes: " : "",
      absl::StripTrailingAsciiWhitespace(message), " (", std::string(sqlstate), ")");
  if (sqlstate == kTermOverState) return MakeError(absl::StatusCode::kAborted, text, kTermOver);
  if (sqlstate == kDiskFull) {
    return WithRetry(MakeError(absl::StatusCode::kUnavailable, text, "STORE_FULL"), kPostgresRetry);
  }
  const auto begins = [&](std::string_view prefix) { return sqlstate.substr(0, prefix.size()) == prefix; };
  if (std::any_of(std::begin(kPassing), std::end(kPassing), begins)) {
    return WithRetry(MakeError(absl::StatusCode::kUnavailable, text, "STORE_UNAVAILABLE"), kPostgresRetry);
  }
  if (begins(kDamaged) && sqlstate != kInternal) {
    return MakeError(absl::StatusCode::kDataLoss, text, "STORE_DAMAGED");
  }
  return MakeError(absl::StatusCode::kInternal, text, "STORE");
}

absl::Status PostgresLost(const std::string& message) {
  return WithRetry(MakeError(absl::StatusCode::kUnavailable,
                             absl::StrCat("job store: no answer from the database: ",
                                          absl::StripTrailingAsciiWhitespace(message)),
                             "STORE_UNAVAILABLE"),
                   kPostgresRetry);
}

absl::Status PostgresRefused(const std::string& message) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("the database does not let this server in: ", absl::StripTrailingAsciiWhitespace(message)),
      "STORE");
}

bool IsRefusal(std::string_view errors) {
  constexpr std::string_view kAfterSeverity = ":  ";
  constexpr size_t kCode = 5;
  for (size_t at = errors.find(kAfterSeverity); at != std::string_view::npos;
       at = errors.find(kAfterSeverity, at + 1)) {
    const std::string_view code = errors.substr(at + kAfterSeverity.size(), kCode);
    for (const std::string_view refusal : kRefusals) {
      if (code.substr(0, refusal.size()) == refusal) return true;
    }
  }
  return false;
}

}  // namespace mind::server
