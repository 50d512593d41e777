// The PostgreSQL store as a server that has just started opens it, and questions about its term.
#ifndef MIND_TESTS_UNIT_SERVER_POSTGRES_RIG_H_
#define MIND_TESTS_UNIT_SERVER_POSTGRES_RIG_H_

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/postgres_job_store.h"
#include "server/store/postgres_term_store.h"
#include "tests/unit/server/store_rig.h"
#include "tests/unit/server/wait_for.h"

namespace mind::server {

inline absl::StatusOr<TermRow> ReadTerm(TermStore& terms) {
  return Await<absl::StatusOr<TermRow>>([&](const auto& done) { terms.Read(done); });
}
// Whatever has been seen, or what is there now.
inline absl::StatusOr<std::optional<uint64_t>> TakeTerm(TermStore& terms, const std::string& holder,
                                                        std::optional<TermRow> seen = std::nullopt) {
  if (!seen.has_value()) {
    const absl::StatusOr<TermRow> now = ReadTerm(terms);
    if (!now.ok()) return now.status();
    seen = *now;
  }
  return Await<absl::StatusOr<std::optional<uint64_t>>>(
      [&](const auto& done) { terms.Take(*seen, holder, "127.0.0.1:1", done); });
}
inline absl::StatusOr<bool> RenewTerm(TermStore& terms, uint64_t term, const std::string& holder) {
  return Await<absl::StatusOr<bool>>([&](const auto& done) { terms.Renew(term, holder, done); });
}
inline absl::StatusOr<bool> ResignTerm(TermStore& terms, uint64_t term, const std::string& holder) {
  return Await<absl::StatusOr<bool>>([&](const auto& done) { terms.Resign(term, holder, done); });
}

// Takes the term, and opens the store for it.
inline absl::StatusOr<std::unique_ptr<PostgresJobStore>> OpenPostgres(
    const std::string& url, std::shared_ptr<ObjectStore> objects = nullptr) {
  static int opened = 0;
  const std::string holder = absl::StrCat("holder ", ++opened);
  const auto terms = PostgresTermStore::Open(url);
  if (!terms.ok()) return terms.status();
  const auto term = TakeTerm(**terms, holder);
  if (!term.ok()) return term.status();
  if (!term->has_value()) return absl::InternalError("somebody else has taken the term");
  return PostgresJobStore::Open(url, holder, **term, std::move(objects));
}

// A session of somebody else's.
class Session {
 public:
  explicit Session(const std::string& url) : connection_(PQconnectdb(url.c_str())) {}
  ~Session() { PQfinish(connection_); }

  // Whether it went well.
  bool Run(const std::string& sql) {
    PGresult* const result = PQexec(connection_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  }

 private:
  PGconn* const connection_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_POSTGRES_RIG_H_
