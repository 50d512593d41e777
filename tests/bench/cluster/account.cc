#include "tests/bench/cluster/account.h"

#include <cstddef>

namespace mind::simulation {
namespace {

Quantiles QuantilesOf(std::vector<float>& values) {
  Quantiles quantiles;
  if (values.empty()) return quantiles;
  const auto at = [&](double share) {
    const auto place =
        values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return static_cast<double>(*place);
  };
  quantiles.p50 = at(0.5);
  quantiles.p99 = at(0.99);
  for (const float value : values) quantiles.mean += static_cast<double>(value);
  quantiles.mean /= static_cast<double>(values.size());
  return quantiles;
}

}  // namespace

void Account::Pay(double now) {
  paid_ += gpus_ * (now - paid_until_);
  paid_until_ = now;
}

void Account::NoteGpus(int gpus, double now) {
  Pay(now);
  gpus_ = gpus;
  if (Counts(now)) outcome_.most_gpus = std::max(outcome_.most_gpus, gpus);
}

void Account::Begin(const Gpu::Totals& totals) {
  Pay(from_);
  paid_ = 0;
  before_ = totals;
  outcome_.most_gpus = gpus_;
}

void Account::End(const Gpu::Totals& totals) {
  Pay(until_);
  outcome_.gpu_hours = paid_ / 3600;
  outcome_.utilisation = (totals.busy_seconds - before_.busy_seconds) / paid_;
  outcome_.batch = (totals.picture_steps - before_.picture_steps) / (totals.forwards - before_.forwards);
}

Outcome Account::Close() {
  outcome_.wait = QuantilesOf(waits_);
  outcome_.latency = QuantilesOf(latencies_);
  return outcome_;
}

}  // namespace mind::simulation
