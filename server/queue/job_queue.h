// The order in which waiting jobs run.
//
// Priority class first. Within a class: jobs given back by a lost worker; then jobs whose deadline leaves no
// slack, nearest deadline first; then by start tags of start-time fair queueing (Goyal et al. 1996), so that
// tenants share by the cost of what they run, not by how much they submit; then by arrival.
//
// Plain state: no threads, no clock of its own, no I/O. Times come in with the calls.
#ifndef MIND_SERVER_QUEUE_JOB_QUEUE_H_
#define MIND_SERVER_QUEUE_JOB_QUEUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mind::server {

struct QueuedJob {
  std::string id;
  std::string tenant;
  std::string model;
  int priority = 0;         // higher goes first
  double cost_seconds = 0;  // estimated, of one worker
  int64_t steps = 0;        // denoiser steps still to do
  absl::Time deadline = absl::InfiniteFuture();
};

class JobQueue {
 public:
  // At the tail of its class and tenant. REQUIRES: no job of this id waits.
  void Push(QueuedJob job);
  // Before all others of its class: work that had begun. Its tenant is not charged again.
  void PushToHead(QueuedJob job);
  // False if no such job waits.
  bool Remove(const std::string& id);

  // Takes out the first job, in order, for which `fits` says yes; empty if there is none. Jobs that do not
  // fit are passed over, not waited for: they may need another model.
  std::optional<QueuedJob> Pop(absl::Time now, const std::function<bool(const QueuedJob&)>& fits);

  size_t size() const { return entries_.size(); }
  bool Contains(const std::string& id) const { return entries_.count(id) != 0; }
  // Jobs that go before this one, and their cost. REQUIRES: Contains(id)
  struct Ahead {
    int64_t jobs = 0;
    double cost_seconds = 0;
  };
  Ahead AheadOf(const std::string& id, absl::Time now) const;

  struct Waiting {
    int64_t jobs = 0;
    int64_t steps = 0;
    double cost_seconds = 0;
  };
  std::map<std::string, Waiting> ByModel() const;
  double total_cost_seconds() const;

 private:
  struct Entry {
    QueuedJob job;
    bool head = false;
    double start_tag = 0;
    uint64_t arrival = 0;
  };

  static bool Before(const Entry& a, const Entry& b, absl::Time now);

  std::map<std::string, Entry> entries_;
  std::map<std::string, double> finish_tags_;  // of each tenant's last job
  double virtual_time_ = 0;                    // start tag of the job last taken
  uint64_t arrivals_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_JOB_QUEUE_H_
