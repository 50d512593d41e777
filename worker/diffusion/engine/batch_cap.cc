#include "worker/diffusion/engine/batch_cap.h"

#include <algorithm>
#include <vector>

namespace mind::diffusion {
namespace {

constexpr double kSmoothing = 0.2;  // weight of the newest measurement
constexpr size_t kKept = 9;         // times a size
constexpr size_t kEnough = 5;       // to judge one by: two slow ones among them do not count
constexpr size_t kTryAgain =
    256;  // full batches after a size was not worth it, or any after it was too large

}  // namespace

void BatchCap::Times::Add(double seconds) {
  last_.push_back(seconds);
  if (last_.size() > kKept) last_.pop_front();
}

double BatchCap::Times::Median() const {
  std::vector<double> times(last_.begin(), last_.end());
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

BatchCap::BatchCap(Options options) : options_(std::move(options)), cap_(options_.floor), due_(kEnough) {}

std::optional<double> BatchCap::RowsPerSecond(size_t rows) const {
  const auto times = times_.find(options_.same_cost(rows));
  if (times == times_.end()) return std::nullopt;
  return static_cast<double>(rows) / times->second.Median();
}

void BatchCap::NoteMemory(size_t rows) {
  at_once_ = rows;
  limited_ = 0;
}

void BatchCap::Record(size_t rows, double seconds) {
  constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();
  if (at_once_ != kUnlimited && ++limited_ == kTryAgain) {
    at_once_ = at_once_ >= options_.ceiling ? kUnlimited : at_once_ * 2;
    limited_ = 0;
  }
  const double a_row = seconds / static_cast<double>(rows);
  seconds_per_row_ =
      seconds_per_row_ == 0 ? a_row : seconds_per_row_ + kSmoothing * (a_row - seconds_per_row_);
  const size_t size = options_.same_cost(rows), full = options_.same_cost(cap_);
  times_[size].Add(seconds);
  // A lone picture may have more rows than the cap: that is a full batch too.
  if (size < full || ++full_ < kEnough) return;
  const auto now = RowsPerSecond(cap_), before = RowsPerSecond(cap_ / 2);
  if (cap_ > options_.floor && now && before && *now < options_.worthwhile * *before) {
    cap_ /= 2;
    full_ = 0;
    due_ = kTryAgain;
  } else if (cap_ * 2 <= options_.ceiling && full_ >= due_) {
    cap_ *= 2;
    full_ = 0;
    due_ = kEnough;
    times_.erase(options_.same_cost(cap_));  // what it took at another time, if ever
  }
}

std::optional<double> BatchCap::Seconds(size_t rows) const {
  const size_t size = options_.same_cost(rows);
  const auto above = times_.lower_bound(size);
  if (above == times_.end()) return std::nullopt;
  const double larger = above->second.Median();
  if (above->first == size) return larger;
  if (above == times_.begin()) return std::nullopt;
  const auto below = std::prev(above);
  const double smaller = below->second.Median();
  const double place =
      static_cast<double>(size - below->first) / static_cast<double>(above->first - below->first);
  return smaller + place * (larger - smaller);
}

}  // namespace mind::diffusion
