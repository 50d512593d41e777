// Draws from a seed. The same on every machine, unlike the standard library's distributions.
#ifndef MIND_TESTS_BENCH_CLUSTER_RANDOM_H_
#define MIND_TESTS_BENCH_CLUSTER_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace mind::simulation {

template <typename T>
struct Weighted {
  T value;
  double weight = 1;  // against the others'
};

template <typename T>
double Mean(const std::vector<Weighted<T>>& choices) {
  double sum = 0, weights = 0;
  for (const Weighted<T>& each : choices) {
    sum += each.weight * static_cast<double>(each.value);
    weights += each.weight;
  }
  return sum / weights;
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // In [0, 1).
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  // The time to the next of events that come `rate` times a second; in seconds.
  double Exponential(double rate) { return -std::log1p(-Uniform()) / rate; }
  // REQUIRES: there are some.
  template <typename T>
  const T& OneOf(const std::vector<Weighted<T>>& choices) {
    double weights = 0;
    for (const Weighted<T>& each : choices) weights += each.weight;
    double at = Uniform() * weights;
    for (const Weighted<T>& each : choices) {
      at -= each.weight;
      if (at < 0) return each.value;
    }
    return choices.back().value;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_RANDOM_H_
