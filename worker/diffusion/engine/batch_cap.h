// How many rows a step batch may hold, learned from how long batches take.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_
#define MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_

#include <cstddef>
#include <map>

namespace mind::diffusion {

// Finds the knee of t(B) for one model and shape: grows while a larger batch yields more rows a second, stops
// where it no longer does. Plain state, no clock; not thread-safe.
class BatchCap {
 public:
  struct Options {
    // Rows always allowed to share a step. Below the knee there is nothing to lose; above it, up to here,
    // throughput is flat and sharing lets every request move and show previews.
    size_t floor = 16;
    size_t ceiling = 64;
    // A doubling must bring at least this much more throughput to be kept.
    double worthwhile = 1.05;
  };

  explicit BatchCap(const Options& options) : options_(options), cap_(options.floor) {}

  // REQUIRES: rows > 0, seconds > 0
  void Record(size_t rows, double seconds);
  size_t cap() const { return cap_; }
  // Seconds one row takes at the size most often seen; 0 before the first record.
  double seconds_per_row() const { return seconds_per_row_; }

 private:
  Options options_;
  size_t cap_;
  double seconds_per_row_ = 0;
  std::map<size_t, double> rows_per_second_;  // by cap size, smoothed; only full batches count
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_
