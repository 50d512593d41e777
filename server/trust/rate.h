// A limit on what is taken within a time: a bucket that fills again at an even pace.
#ifndef MIND_SERVER_TRUST_RATE_H_
#define MIND_SERVER_TRUST_RATE_H_

#include <algorithm>
#include <optional>

#include "absl/time/time.h"

namespace mind::server {

// How a bucket stands, for those who take from it.
struct Rate {
  double limit = 0;      // what it holds
  double remaining = 0;  // what is left
  absl::Duration reset;  // until it is full again
};

// Plain state. Holds what may be taken within a period, and is full at first.
class Bucket {
 public:
  // What it holds from now on; 0: there is no limit, and nothing is counted. What has been taken stays taken
  // when the limit changes. REQUIRES before all else.
  void Refill(double limit, absl::Duration period, absl::Duration now) {
    if (limit <= 0) {
      taken_ = 0;
    } else if (refilled_) {
      taken_ = std::max(taken_ - limit * absl::FDivDuration(now - *refilled_, period), 0.0);
    }
    limit_ = limit;
    period_ = period;
    refilled_ = now;
  }
  // The same limit at a later time.
  void Refill(absl::Duration now) { Refill(limit_, period_, now); }

  // Whether so much may be taken: it is there, or the bucket is full and smaller.
  bool Holds(double amount) const { return limit_ <= 0 || taken_ + amount <= limit_ || taken_ <= 0; }
  void Take(double amount) {
    if (limit_ > 0) taken_ += amount;
  }
  // What was taken and is not used after all.
  void GiveBack(double amount) { taken_ = std::max(taken_ - amount, 0.0); }
  // Until so much may be taken, if nobody takes any more.
  absl::Duration Until(double amount) const {
    const double room = std::max(limit_ - amount, 0.0);
    return taken_ <= room ? absl::ZeroDuration() : period_ * ((taken_ - room) / limit_);
  }
  Rate State() const {
    return {.limit = limit_,
            .remaining = std::max(limit_ - taken_, 0.0),
            .reset = limit_ <= 0 ? absl::ZeroDuration() : period_ * (taken_ / limit_)};
  }
  // As good as new.
  bool full() const { return taken_ <= 0; }

 private:
  double limit_ = 0;
  absl::Duration period_;
  double taken_ = 0;
  std::optional<absl::Duration> refilled_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_RATE_H_
