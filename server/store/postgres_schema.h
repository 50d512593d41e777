// The tables of the PostgreSQL store, and how those of an earlier version become those of this.
//
// They lie in the schema that the connection's search_path names first. Whoever starts makes the row that
// says whose term it is; whoever holds the term brings the rest up to date. A version only adds to what the
// one before reads and writes, so that servers of both can run at the same time.
#ifndef MIND_SERVER_STORE_POSTGRES_SCHEMA_H_
#define MIND_SERVER_STORE_POSTGRES_SCHEMA_H_

#include <cstdint>

#include "absl/status/status.h"
#include "server/store/postgres_connection.h"

namespace mind::server {

// Fails with kTermOver, and all that is sent with it, once another term has been taken.
PostgresCall FenceOf(uint64_t term);

// Makes the term's row where there is none. FAILED_PRECONDITION: the tables are of a newer version.
absl::Status PrepareTerm(PostgresConnection& connection);
// Brings the tables up to this version, in one transaction. FAILED_PRECONDITION: they are of a newer one.
absl::Status BringUpToDate(PostgresConnection& connection, uint64_t term);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_SCHEMA_H_
