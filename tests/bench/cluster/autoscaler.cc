#include "tests/bench/cluster/autoscaler.h"

#include <algorithm>
#include <cmath>

namespace mind::simulation {

int Autoscaler::ByMetric(double metric, int current) const {
  const double ratio = metric / (options_.target * std::max(current, 1));
  return std::abs(1 - ratio) <= options_.tolerance ? current
                                                   : static_cast<int>(std::ceil(metric / options_.target));
}

int Autoscaler::Changed(std::deque<At>& changes, const Limit& limit, double now) {
  while (!changes.empty() && changes.front().when <= now - limit.seconds) changes.pop_front();
  int changed = 0;
  for (const At& change : changes) changed += change.replicas;
  return changed;
}

int Autoscaler::Wanted(double metric, int current, double now) {
  int wanted = std::clamp(ByMetric(metric, current), options_.min, options_.max);
  wanted_.push_back({now, wanted});
  while (wanted_.front().when <= now - options_.down_window) wanted_.pop_front();
  if (wanted > current) {
    const Limit& limit = options_.up;
    const int before = current - Changed(came_, limit, now);
    const int most = std::max(before + limit.pods, static_cast<int>(std::ceil(before * (1 + limit.share))));
    wanted = std::min(wanted, std::max(most, current));
    if (wanted > current) came_.push_back({now, wanted - current});
  } else if (wanted < current) {
    for (const At& each : wanted_) wanted = std::max(wanted, std::min(each.replicas, current));
    const Limit& limit = options_.down;
    const int before = current + Changed(went_, limit, now);
    const int least = std::min(before - limit.pods, static_cast<int>(before * (1 - limit.share)));
    wanted = std::max(wanted, std::min(least, current));
    if (wanted < current) went_.push_back({now, current - wanted});
  }
  return wanted;
}

}  // namespace mind::simulation
