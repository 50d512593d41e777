#include "tests/bench/cluster/arrivals.h"

#include <numbers>

namespace mind::simulation {
namespace {

constexpr double kDay = 86'400;

}  // namespace

Arrivals::Arrivals(const std::vector<Pool>& pools, int room, const Shape& shape, double begin, uint64_t seed)
    : pools_(pools), shape_(shape), random_(seed), now_(begin) {
  double mean = 0;
  for (size_t pool = 0; pool < pools.size(); ++pool) {
    for (size_t kind = 0; kind < pools[pool].kinds.size(); ++kind) {
      const Kind& asked = pools[pool].kinds[kind];
      const double jobs = shape.load * pools[pool].gpus * asked.share / asked.Seconds(room);
      places_.push_back({{pool, kind}, jobs});
      mean += jobs;
    }
    bursts_.push_back({.from = begin, .until = begin});
  }
  most_ = mean * (1 + shape.swing) * shape.burst_factor;
  for (uint32_t tenant = 0; tenant < shape.tenants; ++tenant)
    tenants_.push_back({tenant, 1.0 / (1 + tenant)});
}

double Arrivals::Share(size_t pool, double at) {
  Burst& burst = bursts_[pool];
  while (shape_.bursts_a_day > 0 && burst.until <= at) {
    burst.from = burst.until + random_.Exponential(shape_.bursts_a_day / kDay);
    burst.until = burst.from + shape_.burst_seconds;
  }
  const bool bursting = burst.from <= at && at < burst.until;
  const double hour = 1 + shape_.swing * std::sin(2 * std::numbers::pi * (at / kDay - 0.25));
  return hour * (bursting ? shape_.burst_factor : 1) / ((1 + shape_.swing) * shape_.burst_factor);
}

// Thinning (Lewis and Shedler, 1979): candidates at the highest rate, of which each is kept as the rate at
// its time is to that.
Arrival Arrivals::Next() {
  for (;;) {
    now_ += random_.Exponential(most_);
    const Place place = random_.OneOf(places_);
    if (random_.Uniform() >= Share(place.pool, now_)) continue;
    const Kind& kind = pools_[place.pool].kinds[place.kind];
    return {.at = now_,
            .pool = place.pool,
            .kind = place.kind,
            .steps = random_.OneOf(kind.steps),
            .pictures = random_.OneOf(kind.pictures),
            .tenant = random_.OneOf(tenants_)};
  }
}

}  // namespace mind::simulation
