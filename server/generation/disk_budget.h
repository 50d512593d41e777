// What the job store takes up on the server's disk, and how much it may.
#ifndef MIND_SERVER_GENERATION_DISK_BUDGET_H_
#define MIND_SERVER_GENERATION_DISK_BUDGET_H_

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/generation/ledger.h"
#include "server/store/job_store.h"

namespace mind::server {

// The store is asked every second. What is accepted is finished all the same: so it may come to take more
// than it may, by what waits, until some of it is forgotten.
//
// All on the server's loop; not thread-safe.
class DiskBudget {
 public:
  struct Options {
    uint64_t max_bytes = 0;  // 0: any number
    Post post;
    std::function<absl::Duration()> steady_clock;
  };

  // `store` and `registry` must outlive it.
  DiskBudget(Options options, JobStore& store, prometheus::Registry& registry);

  void OnTick();
  // RESOURCE_EXHAUSTED while the store takes as much as it may, or more.
  absl::Status Check() const;

 private:
  void OnMeasured(const absl::StatusOr<uint64_t>& used);

  const Options options_;
  JobStore& store_;
  prometheus::Registry& registry_;
  prometheus::Gauge* used_gauge_ = nullptr;  // null: the store has not said yet
  uint64_t used_ = 0;
  bool asking_ = false;
  bool elsewhere_ = false;
  absl::Duration next_ = -absl::InfiniteDuration();
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_DISK_BUDGET_H_
