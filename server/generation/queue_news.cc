#include "server/generation/queue_news.h"

#include <optional>
#include <utility>
#include <vector>

#include "proto/support/time.h"

namespace mind::server {
namespace {

constexpr absl::Duration kRound = absl::Seconds(1);
// Jobs looked at in one tick: a fraction of a millisecond.
constexpr size_t kJobsAtOnce = 100;

// What people would see change.
bool SameNews(const v1::JobWaiting& a, const v1::JobWaiting& b) {
  return a.position() == b.position() && a.has_estimated_wait() == b.has_estimated_wait() &&
         a.estimated_wait().seconds() == b.estimated_wait().seconds();
}

}  // namespace

void QueueNews::OnTick() {
  const absl::Time now = state_.Now();
  if (last_.empty()) {
    if (now < next_round_) return;
    next_round_ = now + kRound;
  }
  const std::vector<std::string> jobs = state_.events.WatchedAfter(last_, kJobsAtOnce);
  for (const std::string& id : jobs) Tell(id);
  last_ = jobs.size() < kJobsAtOnce ? "" : jobs.back();
}

void QueueNews::Tell(const std::string& id) {
  // Of a job that has some of its pictures at a worker already, that is the news.
  const v1::Job* const job = state_.dispatcher.Find(id);
  if (job == nullptr || job->state() != v1::JOB_STATE_QUEUED || !state_.dispatcher.queue().Contains(id))
    return;
  v1::JobEvent event;
  v1::JobWaiting& waiting = *event.mutable_waiting();
  waiting.set_position(static_cast<uint32_t>(state_.dispatcher.queue().AheadOf(id)));
  if (const auto wait = state_.dispatcher.EstimatedWaitOf(id))
    *waiting.mutable_estimated_wait() = ToDuration(*wait);
  const JobEventPtr told = state_.events.Newest(id, v1::JobEvent::kWaiting);
  if (told != nullptr && SameNews(told->waiting(), waiting)) return;
  state_.events.Publish(id, std::move(event));
}

}  // namespace mind::server
