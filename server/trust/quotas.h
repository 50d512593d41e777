// What tenants have taken of what they may take: jobs, bytes and workers' time.
//
// A job is charged when it comes in, by what it is estimated to cost; what of that was not done when it ends
// is given back. Plain state, on the server's loop: no threads, no clock of its own. A server that starts is
// told of the jobs it takes up, and of what those that have ended have used.
#ifndef MIND_SERVER_TRUST_QUOTAS_H_
#define MIND_SERVER_TRUST_QUOTAS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/keys.pb.h"
#include "server/trust/rate.h"

namespace mind::server {

class Quotas {
 public:
  // What a job takes.
  struct Charge {
    std::string tenant;
    uint64_t bytes = 0;         // that it brings
    double worker_seconds = 0;  // as estimated
  };

  // `max_bytes`: that all jobs which have not ended may have brought.
  explicit Quotas(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // Whether one more such job may come in. RESOURCE_EXHAUSTED says what is used up, and when to come again;
  // `soon` is about when a job will have ended.
  absl::Status Check(const Charge& charge, const v1::TenantLimits& limits, absl::Duration soon,
                     absl::Duration now);
  // It has come in, after Check. REQUIRES: `job` has not begun, or has ended.
  void Begin(const std::string& job, const Charge& charge, const v1::TenantLimits& limits,
             absl::Duration now);
  // What was used before this server, at `then` by its clock. In order of time, and before all else.
  void TakeUp(const std::string& tenant, double worker_seconds, const v1::TenantLimits& limits,
              absl::Duration then);
  // It has ended, with this share of its work done, 0 to 1. Gives what it has cost: seconds of one worker, as
  // estimated; 0 for what is not known.
  double End(const std::string& job, double done);

  // How it stands with its workers' time: of a minute or of a day, whichever leaves less. Nothing where
  // neither is limited.
  std::optional<Rate> WorkerSeconds(const std::string& tenant, const v1::TenantLimits& limits,
                                    absl::Duration now) const;

  uint64_t bytes() const { return bytes_; }
  // That are remembered: those with jobs, or with time taken that is limited.
  size_t tenants() const { return tenants_.size(); }

 private:
  struct Tenant {
    uint32_t jobs = 0;
    uint64_t bytes = 0;
    Bucket minute, day;  // worker-seconds

    void Refill(const v1::TenantLimits& limits, absl::Duration now);
  };

  // What a job has taken. There are a million of them.
  struct Taken {
    Tenant* tenant;  // which has a job, and is remembered
    uint64_t bytes;
    double worker_seconds;
  };

  void Add(const std::string& job, const Charge& charge);
  // Forgets tenants of whom nothing is to be remembered, a few at a time.
  void Sweep(absl::Duration now);

  const uint64_t max_bytes_;
  uint64_t bytes_ = 0;
  std::map<std::string, Tenant> tenants_;
  absl::btree_map<std::string, Taken> jobs_;
  std::string swept_;  // up to this tenant
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_QUOTAS_H_
