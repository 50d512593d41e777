#include "server/generation/event_source.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/generation/public_job.h"

namespace mind::server {
namespace {

constexpr size_t kChunkBytes = 512 * 1024;
constexpr absl::Duration kFeedKeep = absl::Minutes(5);
constexpr int kEpochShift = 40;  // numbers of one run of the server: 2^40 are enough

// The event of a picture, cut into parts a message can carry.
std::deque<JobEventPtr> CutIntoParts(const v1::JobEvent& event, const StoredImage& image) {
  std::deque<JobEventPtr> parts;
  size_t offset = 0;
  do {
    const auto part = std::make_shared<v1::JobEvent>(event);
    v1::ImageChunk* const chunk = part->mutable_image();
    chunk->set_seed(image.seed);
    chunk->set_media_type(image.media_type);
    chunk->set_total_size(image.data.size());
    chunk->set_data(image.data.substr(offset, kChunkBytes));
    offset += chunk->data().size();
    chunk->set_last(offset >= image.data.size());
    parts.push_back(part);
  } while (offset < image.data.size());
  return parts;
}

absl::Status PictureGone(const v1::JobEvent& event) {
  return MakeError(absl::StatusCode::kDataLoss,
                   absl::StrCat("picture ", event.image().image_index(), " of job ", event.job_id(),
                                " is no longer there"),
                   "PICTURE_GONE",
                   {{"job", event.job_id()}, {"image", absl::StrCat(event.image().image_index())}});
}

absl::StatusOr<std::deque<JobEventPtr>> EventParts(const v1::JobEvent& event,
                                                   const absl::StatusOr<std::optional<StoredImage>>& image) {
  if (image.ok() && image->has_value()) return CutIntoParts(event, **image);
  absl::Status why = image.ok() ? PictureGone(event) : image.status();
  LogError("cannot read a picture", {{"job", event.job_id()},
                                     {"image", event.image().image_index()},
                                     {"error", std::string(why.message())}});
  return why;
}

}  // namespace

EventSource::EventSource(JobReader& store, uint64_t epoch, ServerMetrics& metrics, Post post)
    : store_(store), metrics_(metrics), post_(std::move(post)), feeds_(epoch << kEpochShift, post_) {}

void EventSource::Restore(const StoredJob& stored, std::optional<v1::JobEvent> queued) {
  const std::string& id = stored.job.id();
  for (const ImageMark& image : stored.images) {
    v1::JobEvent event;
    event.mutable_image()->set_image_index(image.index);
    feeds_.PublishAt(id, image.sequence, std::move(event));
  }
  if (queued) feeds_.Publish(id, *std::move(queued));
  if (!stored.job.has_end_time()) return;
  v1::JobEvent event;
  *event.mutable_completed()->mutable_job() = PublicJob(stored.job);
  feeds_.PublishAt(id, stored.end_sequence, std::move(event));
}

WatchId EventSource::Watch(const std::string& job_id, uint64_t after_sequence, std::function<void()> on_news,
                           Pictures pictures) {
  const WatchId watch = feeds_.Watch(job_id, after_sequence, on_news);
  if (closed_) on_news();
  watchers_[watch] = {.on_news = std::move(on_news), .pictures = pictures};
  return watch;
}

WatchNews EventSource::Next(WatchId id) {
  const auto found = watchers_.find(id);
  if (closed_ || found == watchers_.end()) return {.end = closed_.value_or(absl::OkStatus())};
  Watcher& watcher = found->second;
  if (!watcher.parts.empty()) {
    WatchNews news{.event = std::move(watcher.parts.front())};
    watcher.parts.pop_front();
    return news;
  }
  if (watcher.failed) return {.end = watcher.failed};
  if (watcher.reading) return {};
  JobEventPtr event = feeds_.Next(id);
  if (event == nullptr) return {.end = feeds_.Ended(id) ? std::optional(absl::OkStatus()) : std::nullopt};
  if (event->has_image() && watcher.pictures == Pictures::kWhole) {
    ReadPicture(id, watcher, event);
    return {};
  }
  if (event->has_preview()) metrics_.previews_sent.Increment();
  return {.event = std::move(event)};
}

void EventSource::ReadPicture(WatchId id, Watcher& watcher, const JobEventPtr& event) {
  watcher.reading = true;
  store_.FindImage(event->job_id(), event->image().image_index(),
                   [this, post = post_, id, event](const absl::StatusOr<std::optional<StoredImage>>& image) {
                     // Cut up where it was read: copying megabytes is not the loop's.
                     post([this, id, parts = EventParts(*event, image)] { TakePicture(id, parts); });
                   });
}

void EventSource::TakePicture(WatchId id, absl::StatusOr<Parts> parts) {
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return;  // it has left
  Watcher& watcher = found->second;
  watcher.reading = false;
  if (parts.ok()) {
    watcher.parts = *std::move(parts);
  } else {
    watcher.failed = parts.status();
  }
  const std::function<void()> on_news = watcher.on_news;  // being told, it may leave
  on_news();
}

void EventSource::Unwatch(WatchId watch) {
  feeds_.Unwatch(watch);
  watchers_.erase(watch);
}

void EventSource::Fail(const std::string& job_id, const absl::Status& status) {
  std::vector<std::function<void()>> to_tell;
  for (const WatchId id : feeds_.WatchersOf(job_id)) {
    Watcher& watcher = watchers_.at(id);
    watcher.failed = status;
    to_tell.push_back(watcher.on_news);
    feeds_.Unwatch(id);
  }
  feeds_.Forget(job_id);
  for (const std::function<void()>& on_news : to_tell) on_news();
}

void EventSource::Close(const absl::Status& status) {
  closed_ = status;
  feeds_.TellAll();
}

void EventSource::TakeMetrics() {
  metrics_.watchers.Set(static_cast<double>(feeds_.watchers()));
  metrics_.previews_dropped.Increment(static_cast<double>(feeds_.TakeDroppedPreviews()));
}

void EventSource::Purge(absl::Time now) {
  feeds_.Purge(now - kFeedKeep);
}

}  // namespace mind::server
