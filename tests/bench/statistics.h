// What many measurements come to.
#ifndef MIND_TESTS_BENCH_STATISTICS_H_
#define MIND_TESTS_BENCH_STATISTICS_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace mind::bench {

// The value that a share of them (0 to 1) lies below. REQUIRES: there are some
inline double Quantile(std::vector<double> values, double share) {
  const size_t at = static_cast<size_t>(share * static_cast<double>(values.size()));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(std::min(at, values.size() - 1));
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

inline double Median(std::vector<double> values) {
  return Quantile(std::move(values), 0.5);
}

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_STATISTICS_H_
