// What is counted of a simulated cluster, within a window of time.
#ifndef MIND_TESTS_BENCH_CLUSTER_ACCOUNT_H_
#define MIND_TESTS_BENCH_CLUSTER_ACCOUNT_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/bench/cluster/gpu.h"

namespace mind::simulation {

struct Quantiles {
  double p50 = 0, p99 = 0, mean = 0;  // seconds
};

struct Outcome {
  int64_t jobs = 0;        // that came while it was counted; all have ended
  int64_t pictures = 0;    // made while it was counted
  int64_t moved = 0;       // pictures that a GPU gave back because it went
  double utilisation = 0;  // of the GPUs' time that is paid for, the share in which they make something
  double batch = 0;        // pictures that share a step, in the mean
  Quantiles wait;          // of a job, until its first picture is begun
  Quantiles latency;       // of a job, until its last is done
  double gpu_hours = 0;    // from being wanted to being let go
  int most_gpus = 0;
  double GpuHoursPer1000() const {
    return pictures == 0 ? 0 : 1000 * gpu_hours / static_cast<double>(pictures);
  }
};

class Account {
 public:
  Account(double from, double until) : from_(from), until_(until) {}

  bool Counts(double at) const { return from_ <= at && at < until_; }

  void NoteJob(double at) { outcome_.jobs += Counts(at) ? 1 : 0; }
  void NotePicture(double now) { outcome_.pictures += Counts(now) ? 1 : 0; }
  void NoteMoved(double now) { outcome_.moved += Counts(now) ? 1 : 0; }
  // Of a job that came at that time.
  void NoteWait(double came, double now) {
    if (Counts(came)) waits_.push_back(static_cast<float>(now - came));
  }
  void NoteLatency(double came, double now) {
    if (Counts(came)) latencies_.push_back(static_cast<float>(now - came));
  }
  // There are so many GPUs from now on, paid for.
  void NoteGpus(int gpus, double now);
  // The window begins, and ends: what all GPUs, those that have gone too, have done by then.
  void Begin(const Gpu::Totals& totals);
  void End(const Gpu::Totals& totals);

  Outcome Close();

 private:
  void Pay(double now);

  const double from_, until_;
  Outcome outcome_;
  std::vector<float> waits_, latencies_;
  int gpus_ = 0;
  double paid_ = 0, paid_until_ = 0;  // seconds
  Gpu::Totals before_;
};

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_ACCOUNT_H_
