// The store that the command line names, for a server that is alone with it.
#ifndef MIND_SERVER_STORE_OPENED_STORE_H_
#define MIND_SERVER_STORE_OPENED_STORE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/store/job_store.h"
#include "server/store/sole_term.h"
#include "server/store/term_store.h"

namespace mind::server {

class OpenedStore {
 public:
  explicit OpenedStore(std::unique_ptr<JobStore> jobs) : jobs_(std::move(jobs)) {}
  OpenedStore(std::unique_ptr<TermStore> terms, std::unique_ptr<SoleTerm> term,
              std::unique_ptr<JobStore> jobs)
      : terms_(std::move(terms)), term_(std::move(term)), jobs_(std::move(jobs)) {}

  JobStore& jobs() const { return *jobs_; }

 private:
  std::unique_ptr<TermStore> terms_;  // null: nobody else can have the store
  std::unique_ptr<SoleTerm> term_;
  std::unique_ptr<JobStore> jobs_;
};

// A PostgreSQL database at `url`, or, where that is empty, files in `directory`. Waits until it is there.
// A server that loses its term to another ends at once: what it knows is no longer true.
absl::StatusOr<OpenedStore> OpenStore(const std::string& url, const std::string& directory);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_OPENED_STORE_H_
