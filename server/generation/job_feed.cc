#include "server/generation/job_feed.h"

#include "proto/support/time.h"

namespace mind::server {
namespace {

// The picture whose slot an event takes; only progress and previews have slots.
const uint32_t* SlotImage(const v1::JobEvent& event, uint32_t& storage) {
  if (event.event_case() == v1::JobEvent::kProgress) {
    storage = event.progress().image_index();
  } else if (event.event_case() == v1::JobEvent::kPreview) {
    storage = event.preview().image_index();
  } else {
    return nullptr;
  }
  return &storage;
}

}  // namespace

void JobFeeds::Publish(const std::string& job_id, v1::JobEvent event) {
  Feed& feed = feeds_[job_id];
  event.set_job_id(job_id);
  event.set_sequence(++last_sequence_);
  uint32_t storage = 0;
  if (const uint32_t* const image = SlotImage(event, storage)) {
    uint64_t& slot = feed.slots[{event.event_case(), *image}];
    if (slot != 0) {
      feed.events.erase(slot);
      if (event.event_case() == v1::JobEvent::kPreview) {
        for (const WatchId id : feed.watchers) dropped_previews_ += watchers_.at(id).position < slot ? 1 : 0;
      }
    }
    slot = event.sequence();
  }
  if (event.event_case() == v1::JobEvent::kCompleted) {
    feed.ended = FromTimestamp(event.completed().job().end_time());
  }
  feed.events.emplace(last_sequence_, std::make_shared<const v1::JobEvent>(std::move(event)));
  const std::set<WatchId> to_tell = feed.watchers;  // being told, a watcher may leave
  for (const WatchId id : to_tell) {
    const auto found = watchers_.find(id);
    if (found != watchers_.end()) found->second.on_news();
  }
}

JobEventPtr JobFeeds::Latest(const std::string& job_id) const {
  const auto found = feeds_.find(job_id);
  return found == feeds_.end() || found->second.events.empty() ? nullptr
                                                               : found->second.events.rbegin()->second;
}

WatchId JobFeeds::Watch(const std::string& job_id, uint64_t after_sequence, std::function<void()> on_news) {
  const WatchId id = ++last_watch_;
  Feed& feed = feeds_[job_id];
  feed.watchers.insert(id);
  const bool news = feed.events.upper_bound(after_sequence) != feed.events.end();
  watchers_[id] = Watcher{job_id, after_sequence, on_news};
  if (news) on_news();
  return id;
}

void JobFeeds::Unwatch(WatchId id) {
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  feeds_[found->second.job_id].watchers.erase(id);
  watchers_.erase(found);
}

JobEventPtr JobFeeds::Next(WatchId id) {
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return nullptr;
  const Feed& feed = feeds_[found->second.job_id];
  const auto next = feed.events.upper_bound(found->second.position);
  if (next == feed.events.end()) return nullptr;
  found->second.position = next->first;
  return next->second;
}

void JobFeeds::Purge(absl::Time ended_before) {
  std::erase_if(feeds_, [ended_before](const auto& entry) {
    return entry.second.watchers.empty() && entry.second.ended < ended_before;
  });
}

}  // namespace mind::server
