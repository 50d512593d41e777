#include "server/generation/job_feed.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "proto/support/time.h"

namespace mind::server {
namespace {

// Numbers between a fact and what was told before it: more than news come while a batch is written.
constexpr uint64_t kRoomForNews = 1 << 20;

// Watchers told in one go: some tens of microseconds.
constexpr size_t kToldAtOnce = 128;

// The picture whose slot an event takes, 0 where it is the job's own; none for what is kept for good.
std::optional<uint32_t> SlotImage(const v1::JobEvent& event) {
  if (event.has_waiting()) return 0;
  if (event.has_stage()) return event.stage().image_index();
  if (event.has_progress()) return event.progress().image_index();
  if (event.has_preview()) return event.preview().image_index();
  return std::nullopt;
}

}  // namespace

uint64_t JobFeeds::Reserve(const std::string& job_id) {
  Feed& feed = feeds_[job_id];
  const uint64_t last = feed.reserved.empty() ? feed.last_told : *feed.reserved.rbegin();
  const uint64_t sequence = std::max(last, base_) + kRoomForNews;
  feed.reserved.insert(sequence);
  return sequence;
}

void JobFeeds::Publish(const std::string& job_id, v1::JobEvent event) {
  const Feed& feed = feeds_[job_id];
  const uint64_t sequence = std::max(feed.last_told, base_) + 1;
  // There is no number left for it; what it tells is news no more when the fact is told.
  if (!feed.reserved.empty() && sequence >= *feed.reserved.begin()) return;
  PublishAt(job_id, sequence, std::move(event));
}

void JobFeeds::PublishAt(const std::string& job_id, uint64_t sequence, v1::JobEvent event) {
  Feed& feed = feeds_[job_id];
  feed.reserved.erase(sequence);
  feed.last_told = std::max(feed.last_told, sequence);
  event.set_job_id(job_id);
  event.set_sequence(sequence);
  if (const std::optional<uint32_t> image = SlotImage(event)) {
    uint64_t& slot = feed.slots[{event.event_case(), *image}];
    if (slot != 0) feed.events.erase(slot);
    slot = sequence;
  }
  if (event.has_completed()) feed.ended = FromTimestamp(event.completed().job().end_time());
  const uint64_t previews_before = feed.previews;
  if (event.has_preview()) ++feed.previews;
  feed.events.emplace(sequence,
                      Entry{std::make_shared<const v1::JobEvent>(std::move(event)), previews_before});
  Tell(job_id, feed);
}

void JobFeeds::Tell(const std::string& job_id, Feed& feed) {
  if (feed.telling) {
    feed.told_late = true;
    return;
  }
  feed.telling = true;
  TellFrom(job_id, 0);
}

void JobFeeds::TellFrom(const std::string& job_id, WatchId after) {
  auto feed = feeds_.find(job_id);
  if (feed == feeds_.end()) return;
  std::vector<WatchId> some;
  const std::set<WatchId>& watchers = feed->second.watchers;
  for (auto next = watchers.upper_bound(after); next != watchers.end() && some.size() < kToldAtOnce; ++next) {
    some.push_back(*next);
  }
  TellWatchers(some);
  const auto tell_on = [this, job_id](WatchId from) {
    post_([this, job_id, from] { TellFrom(job_id, from); });
  };
  if (some.size() == kToldAtOnce) return tell_on(some.back());
  feed = feeds_.find(job_id);
  if (feed == feeds_.end()) return;
  if (std::exchange(feed->second.told_late, false)) return tell_on(0);
  feed->second.telling = false;
}

void JobFeeds::TellWatchers(const std::vector<WatchId>& watchers) {
  // Being told, a watcher may leave.
  for (const WatchId id : watchers) {
    const auto found = watchers_.find(id);
    if (found == watchers_.end()) continue;
    const std::function<void()> on_news = found->second.on_news;  // which goes with a watcher that leaves
    on_news();
  }
}

void JobFeeds::TellAllFrom(WatchId after) {
  std::vector<WatchId> some;
  for (auto next = watchers_.upper_bound(after); next != watchers_.end() && some.size() < kToldAtOnce;
       ++next) {
    some.push_back(next->first);
  }
  TellWatchers(some);
  if (some.size() == kToldAtOnce) post_([this, from = some.back()] { TellAllFrom(from); });
}

WatchId JobFeeds::Watch(const std::string& job_id, uint64_t after_sequence, std::function<void()> on_news) {
  const WatchId id = ++last_watch_;
  Feed& feed = feeds_[job_id];
  feed.watchers.insert(id);
  watched_.insert(job_id);
  const auto next = feed.events.upper_bound(after_sequence);
  const bool news = next != feed.events.end();
  watchers_[id] =
      Watcher{job_id, &feed, after_sequence, news ? next->second.previews_before : feed.previews, on_news};
  if (news || Ended(id)) on_news();
  return id;
}

void JobFeeds::Unwatch(WatchId id) {
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  std::set<WatchId>& watchers = feeds_[found->second.job_id].watchers;
  watchers.erase(id);
  if (watchers.empty()) watched_.erase(found->second.job_id);
  watchers_.erase(found);
}

JobEventPtr JobFeeds::Newest(const std::string& job_id, v1::JobEvent::EventCase kind) const {
  const auto feed = feeds_.find(job_id);
  if (feed == feeds_.end()) return nullptr;
  const auto slot = feed->second.slots.find({kind, 0});
  return slot == feed->second.slots.end() ? nullptr : feed->second.events.at(slot->second).event;
}

std::vector<WatchId> JobFeeds::WatchersOf(const std::string& job_id) const {
  const auto feed = feeds_.find(job_id);
  if (feed == feeds_.end()) return {};
  return {feed->second.watchers.begin(), feed->second.watchers.end()};
}

std::vector<std::string> JobFeeds::WatchedAfter(const std::string& job_id, size_t limit) const {
  std::vector<std::string> jobs;
  for (auto next = watched_.upper_bound(job_id); next != watched_.end() && jobs.size() < limit; ++next) {
    jobs.push_back(*next);
  }
  return jobs;
}

JobEventPtr JobFeeds::Next(WatchId id) {
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return nullptr;
  const Feed& feed = *found->second.feed;
  const auto next = feed.events.upper_bound(found->second.position);
  if (next == feed.events.end()) return nullptr;
  Watcher& watcher = found->second;
  const auto& [event, previews_before] = next->second;
  dropped_previews_ += static_cast<int64_t>(previews_before - watcher.previews);
  watcher.previews = previews_before + (event->has_preview() ? 1 : 0);
  watcher.position = next->first;
  return event;
}

bool JobFeeds::Ended(WatchId id) const {
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return true;
  const Feed& feed = *found->second.feed;
  return feed.ended != absl::InfiniteFuture() &&
         feed.events.upper_bound(found->second.position) == feed.events.end();
}

void JobFeeds::Purge(absl::Time ended_before) {
  std::erase_if(feeds_, [ended_before](const auto& entry) {
    return entry.second.watchers.empty() && entry.second.ended < ended_before;
  });
}

}  // namespace mind::server
