// What the service has decided and the store has to hold. Writes it, keeps what could not be written and
// tries again, and knows whether the store can be relied on: while it cannot, nothing new may be promised to
// anyone.
//
// A job's end counts when it is written, and not before: until then the outside sees the job as it was, and
// nobody is told that it has ended. So nothing that was said is taken back by a restart.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_LEDGER_H_
#define MIND_SERVER_GENERATION_LEDGER_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/model.pb.h"
#include "server/store/job_store.h"

namespace mind::server {

class Ledger {
 public:
  // `store` must outlive it.
  explicit Ledger(JobStore& store) : store_(store) {}

  // Takes in how a write of the store went.
  absl::Status Note(const absl::Status& status);

  // A job that has changed and not ended.
  void Update(const v1::Job& job);
  void SaveModels(const std::vector<v1::Model>& models);
  // A job that has ended, and the number of the event that tells of it. `written` is run when it is on the
  // disk: now, or in a later Retry. The status is that of the first try.
  using Written = std::function<void(const v1::Job& job, uint64_t sequence)>;
  absl::Status End(v1::Job job, uint64_t sequence, Written written);

  // A job whose end is not written yet, as the outside sees it: not ended. Null for others.
  const v1::Job* FindEnding(const std::string& id) const;

  // Writes again what failed. `find` gives a job that has not ended as it is now, or null.
  void Retry(const std::function<const v1::Job*(const std::string& id)>& find, absl::Time now);

  // Whether the last write succeeded. If not, failure() says how it went.
  bool reliable() const { return failure_.ok(); }
  const absl::Status& failure() const { return failure_; }

 private:
  struct Ending {
    v1::Job job;      // as it ended
    v1::Job outside;  // as it is seen until that is written
    uint64_t sequence = 0;
    Written written;
  };

  JobStore& store_;
  absl::Status failure_;
  std::set<std::string> unwritten_;          // jobs whose last update failed
  std::map<std::string, Ending> endings_;    // not written yet
  std::map<std::string, v1::Model> models_;  // not saved yet, by name
  absl::Time next_probe_ = absl::InfinitePast();
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_LEDGER_H_
