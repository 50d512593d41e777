#include "server/store/opened_store.h"

#include <cstdlib>

#include "proto/support/logging.h"
#include "server/store/postgres_job_store.h"
#include "server/store/postgres_term_store.h"
#include "server/store/sqlite_job_store.h"

namespace mind::server {
namespace {

[[noreturn]] void EndAtOnce() {
  LogError("another mind-server has taken over the store: this one ends");
  FlushLogs(absl::Seconds(1));
  std::_Exit(1);
}

}  // namespace

absl::StatusOr<OpenedStore> OpenStore(const std::string& url, const std::string& directory) {
  if (url.empty()) {
    auto jobs = SqliteJobStore::Open(directory);
    if (!jobs.ok()) return jobs.status();
    return OpenedStore(*std::move(jobs));
  }
  auto terms = PostgresTermStore::Open(url);
  if (!terms.ok()) return terms.status();
  auto term = SoleTerm::Take(**terms, {.lost = &EndAtOnce});
  if (!term.ok()) return term.status();
  auto jobs = PostgresJobStore::Open(url, (*term)->holder(), (*term)->number());
  if (!jobs.ok()) return jobs.status();
  return OpenedStore(*std::move(terms), *std::move(term), *std::move(jobs));
}

}  // namespace mind::server
