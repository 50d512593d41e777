// How many rows a step batch may hold, learned from how long batches take.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_
#define MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>

namespace mind::diffusion {

// t(B) of one model and shape, and its knee: the cap grows while a larger batch yields more rows a second,
// and stops where it no longer does. One slow batch decides nothing: times are medians of the last few, and a
// size that was not worth it is tried again after a while. Plain state, no clock; not thread-safe.
class BatchCap {
 public:
  struct Options {
    // Rows always allowed to share a step. Below the knee there is nothing to lose; above it, up to here,
    // throughput is flat and sharing lets every request move and show previews.
    size_t floor = 16;
    size_t ceiling = 64;
    // A doubling must bring at least this much more throughput to be kept.
    double worthwhile = 1.05;
    // The most rows that take no longer than so many: idle cores, or what a forward is padded to.
    std::function<size_t(size_t rows)> same_cost = [](size_t rows) { return rows; };
  };

  explicit BatchCap(Options options);

  // REQUIRES: rows > 0, seconds > 0
  void Record(size_t rows, double seconds);
  size_t cap() const { return cap_; }
  // Seconds a batch of so many rows takes; between sizes measured, no more than on the line from one to the
  // next. None beyond what was measured.
  std::optional<double> Seconds(size_t rows) const;
  // Seconds one row takes, smoothed over batches of all sizes; 0 before the first record.
  double seconds_per_row() const { return seconds_per_row_; }

 private:
  // The last few times of one size.
  class Times {
   public:
    void Add(double seconds);
    double Median() const;

   private:
    std::deque<double> last_;
  };

  double RowsPerSecond(size_t rows) const;

  Options options_;
  size_t cap_;
  size_t full_ = 0;  // batches as large as the cap since it changed
  size_t due_;       // so many of them before the next size is tried
  double seconds_per_row_ = 0;
  std::map<size_t, Times> times_;  // by same_cost(rows)
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_
