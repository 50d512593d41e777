#include "worker/diffusion/engine/batch_cap.h"

namespace mind::diffusion {
namespace {

constexpr double kSmoothing = 0.2;  // weight of the newest measurement

void Smooth(double& value, double newest) {
  value = value == 0 ? newest : value + kSmoothing * (newest - value);
}

}  // namespace

void BatchCap::Record(size_t rows, double seconds) {
  Smooth(seconds_per_row_, seconds / static_cast<double>(rows));
  if (rows != cap_) return;
  Smooth(rows_per_second_[cap_], static_cast<double>(rows) / seconds);
  const auto smaller = rows_per_second_.find(cap_ / 2);
  const bool paid =
      cap_ == options_.floor ||
      (smaller != rows_per_second_.end() && rows_per_second_[cap_] >= options_.worthwhile * smaller->second);
  if (!paid) {
    cap_ /= 2;
  } else if (cap_ * 2 <= options_.ceiling && rows_per_second_.count(cap_ * 2) == 0) {
    cap_ *= 2;  // full and worth it: try the next size once
  }
}

}  // namespace mind::diffusion
