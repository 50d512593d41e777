#include "server/store/postgres_term_store.h"

#include <utility>
#include <vector>

#include "proto/support/logging.h"
#include "server/store/postgres_schema.h"
#include "server/store/postgres_session.h"

namespace mind::server {

PostgresTermStore::PostgresTermStore(const std::string& url)
    : connection_(url, "mind-server term", [this](PostgresConnection& connection) {
        // Once: a server goes on beside one of a newer version.
        if (prepared_) return absl::OkStatus();
        absl::Status prepared = PrepareTerm(connection);
        prepared_ = prepared.ok();
        return prepared;
      }) {
  connection_.ExplainRefusals();
}

absl::StatusOr<std::unique_ptr<PostgresTermStore>> PostgresTermStore::Open(const std::string& url) {
  std::unique_ptr<PostgresTermStore> store(new PostgresTermStore(url));
  const absl::Status there = store->connection_.Run({}).status();
  if (absl::IsUnavailable(there)) {
    LogWarning("waits for the database", {{"error", std::string(there.message())}});
  } else if (!there.ok()) {
    return there;
  }
  return store;
}

void PostgresTermStore::Read(Done<TermRow> done) {
  thread_.Post([this, done = std::move(done)] {
    const auto found = connection_.Ask({PostgresCall("SELECT term, holder, address, beat FROM term")});
    if (!found.ok()) return done(found.status());
    const PostgresRows& rows = found->front();
    if (rows.size() == 0) return done(TermRow());
    done(TermRow{.term = static_cast<uint64_t>(rows.Integer(0, 0)),
                 .holder = rows.Text(0, 1),
                 .address = rows.Text(0, 2),
                 .beat = static_cast<uint64_t>(rows.Integer(0, 3))});
  });
}

void PostgresTermStore::Take(const TermRow& seen, const std::string& holder, const std::string& address,
                             Done<std::optional<uint64_t>> done) {
  thread_.Post([=, this] {
    const std::string session = WriterSession(seen.holder);
    const auto taken = connection_.Run({
        PostgresCall("SELECT pg_terminate_backend(pid) FROM pg_stat_activity, term "
                     "WHERE term = $1 AND beat = $2 AND application_name = $3")
            .Int(static_cast<int64_t>(seen.term))
            .Int(static_cast<int64_t>(seen.beat))
            .Text(session),
        PostgresCall("UPDATE term SET term = term + 1, holder = $4, address = $5, beat = 0 "
                     "WHERE term = $1 AND beat = $2 AND holder = $3 RETURNING term")
            .Int(static_cast<int64_t>(seen.term))
            .Int(static_cast<int64_t>(seen.beat))
            .Text(seen.holder)
            .Text(holder)
            .Text(address),
    });
    if (!taken.ok()) return done(taken.status());
    const PostgresRows& rows = taken->back();
    if (rows.size() == 0) return done(std::nullopt);
    done(static_cast<uint64_t>(rows.Integer(0, 0)));
  });
}

void PostgresTermStore::Renew(uint64_t term, const std::string& holder, Done<bool> done) {
  Change("UPDATE term SET beat = beat + 1 WHERE term = $1 AND holder = $2", term, holder, std::move(done));
}

void PostgresTermStore::Resign(uint64_t term, const std::string& holder, Done<bool> done) {
  Change("UPDATE term SET holder = '' WHERE term = $1 AND holder = $2", term, holder, std::move(done));
}

void PostgresTermStore::Change(const char* sql, uint64_t term, const std::string& holder, Done<bool> done) {
  thread_.Post([=, this, done = std::move(done)] {
    const auto changed = connection_.Run({PostgresCall(sql).Int(static_cast<int64_t>(term)).Text(holder)});
    if (!changed.ok()) return done(changed.status());
    done(changed->front().changed() == 1);
  });
}

}  // namespace mind::server
