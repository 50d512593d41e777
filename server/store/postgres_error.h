// What an error of PostgreSQL's is to the outside: see JobStore.
#ifndef MIND_SERVER_STORE_POSTGRES_ERROR_H_
#define MIND_SERVER_STORE_POSTGRES_ERROR_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mind::server {

// The code that the fence raises (postgres_schema.cc).
inline constexpr char kTermOverState[] = "MD001";

// By the SQLSTATE that the database gave.
absl::Status PostgresError(std::string_view sqlstate, const std::string& message);
// UNAVAILABLE: no answer came; nobody knows what the database has done.
absl::Status PostgresLost(const std::string& message);
// FAILED_PRECONDITION: the database is there, and does not let us in.
absl::Status PostgresRefused(const std::string& message);
// Whether one of these errors, as told at length (severity, code, text), is that: a name, a password or a
// database that is wrong.
bool IsRefusal(std::string_view errors);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_ERROR_H_
