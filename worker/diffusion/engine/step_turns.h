// In what order pictures of one priority take their steps.
//
// The job with the fewest seconds left goes first: no other order keeps the mean latency as low (L. E.
// Schrage, "A Proof of the Optimality of the Shortest Remaining Processing Time Discipline", Operations
// Research 16:3, 1968). By itself it would keep a long job waiting for as long as shorter ones come, so three
// things temper it:
//   patience:
//     each second that a job has been here counts for it as if it had 1/patience seconds less to go.
//     Once it has been here for `patience` times what it has left, nobody who comes later passes it.
//   flow:
//     of n pictures each has a step at least once in n / flow batches, so that everybody's preview moves:
//     who has gone without for so long goes first, which takes that share of the time at the most.
//   lead:
//     tenants share the time by their weights. Who has had more than the others, by more than the longest
//     job that waits takes, stands back until they have had theirs.
//
// And with any flow at all nobody goes without for as long as the server lets a picture stand still before it
// has it made elsewhere (its --stall): who has gone without for half of that goes before all others.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_STEP_TURNS_H_
#define MIND_WORKER_DIFFUSION_ENGINE_STEP_TURNS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mind::diffusion {

// Plain state on a time of its own: seconds in which there were steps to take. The engine's step thread
// drives it, and so does the simulation that compares it with other orders (tests/support/step_simulation.h).
// Not thread-safe.
class StepTurns {
 public:
  struct Options {
    double patience = 6;  // 0: first come, first served
    double flow = 0.2;    // 0 … 1; 1: equal shares for all pictures
    double lead = 1;      // in longest jobs
  };

  // One that could take a step.
  struct Picture {
    uint64_t id = 0;
    std::string_view job;      // whose it is; empty: it is a job by itself
    std::string_view tenant;   // whose the job is
    double weight = 1;         // of the tenant; more than 0
    double seconds_left = 0;   // that its steps still take, in full batches; 0: not known
    double arrived = 0;        // when it first could take one, by now()
    uint64_t last_served = 0;  // number of the batch
    double served = 0;         // when that began, or the picture came, by now()
    double step_seconds = 0;   // of one of its steps, in full batches; 0: not known
  };

  // What of a batch was a tenant's.
  struct Share {
    std::string tenant;
    double weight = 1;
    double part = 0;  // of the batch's rows; all parts of a batch add up to 1
  };

  explicit StepTurns(Options options) : options_(options) {}

  // Their places among those given, in the order in which they go. What has never been measured goes first: a
  // step of it tells what it takes.
  std::vector<size_t> Order(const std::vector<Picture>& pictures);
  // How long the batch took that was led as Order last said.
  void Took(double seconds, const std::vector<Share>& shares);
  // Nothing of this priority was done for so long.
  void Passed(double seconds) { now_ += seconds; }

  double now() const { return now_; }
  // That are remembered.
  size_t tenants() const { return served_.size(); }

 private:
  struct Job {
    double left = 0;
    double arrived = 0;
    bool known = true;
  };
  // A picture without a job is told from others by its id.
  using JobKey = std::pair<std::string_view, uint64_t>;
  using Jobs = std::map<JobKey, Job>;

  static JobKey KeyOf(const Picture& picture) { return {picture.job, picture.job.empty() ? picture.id : 0}; }
  static Jobs JobsOf(const std::vector<Picture>& pictures);
  // Brings those who come up to those who are here, and forgets who is as good as new.
  void Meet(const std::vector<Picture>& pictures);
  double Key(const Job& job) const { return options_.patience * job.left - (now_ - job.arrived); }

  Options options_;  // constant
  double now_ = 0;
  // By tenant: seconds it has had, over its weight; and what everybody here has had at least.
  std::map<std::string, double, std::less<>> served_;
  double virtual_time_ = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STEP_TURNS_H_
