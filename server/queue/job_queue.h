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
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mind::server {

struct QueuedJob {
  std::string id;
  std::string tenant;
  std::string model;
  int priority = 0;   // higher goes first
  double rows = 0;    // denoiser rows still to do: what it costs, at the model's price
  int64_t steps = 0;  // denoiser steps still to do
  absl::Time deadline = absl::InfiniteFuture();
};

class JobQueue {
 public:
  // A row costs `default_row_seconds` until SetRowSeconds says otherwise.
  explicit JobQueue(double default_row_seconds) : default_row_seconds_(default_row_seconds) {}

  // At the tail of its class and tenant. REQUIRES: no job of this id waits.
  void Push(QueuedJob job);
  // Before all others of its class: work that had begun. Its tenant is not charged again.
  void PushToHead(QueuedJob job);
  // It will not run: its tenant gets back what it was charged. False if no such job waits.
  bool Remove(const std::string& id);
  // It runs now. REQUIRES: Contains(id)
  void Take(const std::string& id);

  // All of them, first to run first. Valid until the queue changes.
  std::vector<const QueuedJob*> InOrder(absl::Time now) const;

  // What a row of this model costs from now on: estimates and urgency follow, turns already given do not.
  void SetRowSeconds(const std::string& model, double seconds) { row_seconds_[model] = seconds; }
  double RowSeconds(const std::string& model) const;

  size_t size() const { return entries_.size(); }
  bool Contains(const std::string& id) const { return entries_.count(id) != 0; }
  // The highest class that waits. REQUIRES: size() > 0
  int highest_priority() const { return by_priority_.rbegin()->first; }
  // Jobs that go before this one, and their cost, each weighed by `share`. REQUIRES: Contains(id)
  struct Ahead {
    int64_t jobs = 0;
    double cost_seconds = 0;
  };
  Ahead AheadOf(
      const std::string& id, absl::Time now,
      const std::function<double(const QueuedJob&)>& share = [](const QueuedJob&) { return 1; }) const;

  struct Waiting {
    int64_t jobs = 0;
    int64_t steps = 0;
    double cost_seconds = 0;
  };
  std::map<std::string, Waiting> ByModel() const;
  // The cost of those of this class or higher, each weighed by `share`.
  double CostSeconds(int priority, const std::function<double(const QueuedJob&)>& share) const;

 private:
  struct Entry {
    QueuedJob job;
    bool head = false;
    double virtual_time = 0;  // when it came
    double start_tag = 0;
    double charged = 0;
    uint64_t arrival = 0;
  };

  bool Before(const Entry& a, const Entry& b, absl::Time now) const;
  double Cost(const QueuedJob& job) const { return job.rows * RowSeconds(job.model); }
  void Insert(Entry entry);
  void Erase(std::map<std::string, Entry>::iterator entry);
  // Moves up what a tenant submitted after a job that will not run.
  void Refund(const Entry& removed);
  // Tenants whose last job ended in the past start level with the others: their tags need not be kept.
  void ForgetTenantsOfThePast();

  const double default_row_seconds_;
  std::map<std::string, double> row_seconds_;  // by model
  std::map<std::string, Entry> entries_;
  std::map<int, size_t> by_priority_;
  std::map<std::string, double> finish_tags_;  // of each tenant's last job
  double virtual_time_ = 0;                    // start tag of the job last taken
  uint64_t arrivals_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_JOB_QUEUE_H_
