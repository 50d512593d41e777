// How many rows a step batch may hold, learned from how long batches take.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_
#define MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>

namespace mind::diffusion {

// t(B) of one model and shape, and its knee: the cap grows while a larger batch yields more rows a second,
// and stops where it no longer does: beyond it, to share a step is worse for everybody than to go one after
// the other. One slow batch decides nothing: times are medians of the last few, and a size that was not worth
// it is tried again after a while. Plain state, no clock; not thread-safe.
class BatchCap {
 public:
  struct Options {
    // Rows always allowed to share a step.
    size_t floor = 1;
    size_t ceiling = 64;
    // A doubling must bring at least this much more throughput to be kept.
    double worthwhile = 1.05;
    // The most rows that take no longer than so many: idle cores, or what a forward is padded to.
    std::function<size_t(size_t rows)> same_cost = [](size_t rows) { return rows; };
  };

  explicit BatchCap(Options options);

  // REQUIRES: rows > 0, seconds > 0
  void Record(size_t rows, double seconds);
  size_t cap() const { return std::min(cap_, at_once_); }
  // There was memory for no more than so many rows at once: the cap stays there for a while, and then tries
  // for twice as many. REQUIRES: rows > 0
  void NoteMemory(size_t rows);
  // Rows that may be run at once, also of a batch that has more of them; the largest number if nobody knows
  // of a limit.
  size_t at_once() const { return at_once_; }
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

  // Nothing for sizes that were not measured.
  std::optional<double> RowsPerSecond(size_t rows) const;

  Options options_;
  size_t cap_;
  size_t full_ = 0;  // batches as large as the cap, or larger, since it changed
  size_t due_;       // so many of them before the next size is tried
  size_t at_once_ = std::numeric_limits<size_t>::max();
  size_t limited_ = 0;  // batches since there was no memory for more
  double seconds_per_row_ = 0;
  std::map<size_t, Times> times_;  // by same_cost(rows)
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_BATCH_CAP_H_
