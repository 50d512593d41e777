#include "server/generation/retention.h"

#include <algorithm>
#include <map>
#include <optional>

#include "proto/support/logging.h"

namespace mind::server {
namespace {

constexpr absl::Duration kInterval = absl::Minutes(1);
constexpr absl::Duration kFromStart = absl::Hours(1);
// A job's end is written a moment after its time.
constexpr absl::Duration kLateEnds = absl::Minutes(10);
// Jobs forgotten at once: what they take to forget is what a batch has to wait.
constexpr int kAtOnce = 100;

}  // namespace

void Retention::OnTick() {
  const absl::Time now = state_.Now();
  if (now < next_) return;
  next_ = now + kInterval;
  state_.events.Purge(now);
  if (!round_.empty()) return;  // the one before takes longer
  BeginRound(now);
  GoOn();
}

void Retention::BeginRound(absl::Time now) {
  const std::optional<std::map<std::string, absl::Duration>> keeps = state_.options.keeps();
  if (!keeps) {
    next_ = now;  // soon
    return;
  }
  PurgeQuery others{.ended_before = now - state_.options.keep};
  for (const auto& [tenant, keep] : *keeps) {
    round_.push_back({.ended_before = now - keep, .tenant = tenant});
    others.except.push_back(tenant);
  }
  // Who has no time of his own any more may have older jobs.
  const bool one_less = std::any_of(excepted_.begin(), excepted_.end(),
                                    [&](const std::string& tenant) { return keeps->count(tenant) == 0; });
  if (one_less || now >= next_from_start_) {
    gone_before_ = absl::InfinitePast();
    next_from_start_ = now + kFromStart;
  }
  others.ended_since = gone_before_;
  excepted_ = std::set<std::string>(others.except.begin(), others.except.end());
  round_.push_back(std::move(others));
}

void Retention::GoOn() {
  if (round_.empty()) return;
  state_.store.Purge(round_.front(), kAtOnce, state_.OnLoop<int>([this](const absl::StatusOr<int>& purged) {
    if (!purged.ok()) {
      LogError("cannot forget old jobs", {{"error", std::string(purged.status().message())}});
      return round_.clear();
    }
    if (*purged < kAtOnce) {
      if (round_.front().tenant.empty()) gone_before_ = round_.front().ended_before - kLateEnds;
      round_.pop_front();
    }
    GoOn();
  }));
}

}  // namespace mind::server
