#include "server/generation/event_source.h"

#include <utility>

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
void AppendChunks(const v1::JobEvent& event, const StoredImage& image, std::vector<v1::JobEvent>& out) {
  size_t offset = 0;
  do {
    v1::JobEvent part = event;
    v1::ImageChunk* const chunk = part.mutable_image();
    chunk->set_seed(image.seed);
    chunk->set_media_type(image.media_type);
    chunk->set_total_size(image.data.size());
    chunk->set_data(image.data.substr(offset, kChunkBytes));
    offset += chunk->data().size();
    chunk->set_last(offset >= image.data.size());
    out.push_back(std::move(part));
  } while (offset < image.data.size());
}

absl::Status PictureGone(const std::string& job_id, uint32_t index) {
  return MakeError(absl::StatusCode::kDataLoss,
                   absl::StrCat("picture ", index, " of job ", job_id, " is no longer there"), "PICTURE_GONE",
                   {{"job", job_id}, {"image", absl::StrCat(index)}});
}

}  // namespace

EventSource::EventSource(JobStore& store, ServerMetrics& metrics)
    : store_(store), metrics_(metrics), feeds_(store.epoch() << kEpochShift) {}

absl::Status EventSource::Restore(const StoredJob& stored, std::optional<v1::JobEvent> queued) {
  const std::string& id = stored.job.id();
  const auto images = store_.Images(id);
  if (!images.ok()) return images.status();
  for (const JobStore::ImageMark& image : *images) {
    v1::JobEvent event;
    event.mutable_image()->set_image_index(image.index);
    feeds_.PublishAt(id, image.sequence, std::move(event));
  }
  if (queued) feeds_.Publish(id, *std::move(queued));
  if (stored.job.has_end_time()) {
    v1::JobEvent event;
    *event.mutable_completed()->mutable_job() = PublicJob(stored.job);
    feeds_.PublishAt(id, stored.end_sequence, std::move(event));
  }
  return absl::OkStatus();
}

WatchId EventSource::Watch(const std::string& job_id, uint64_t after_sequence,
                           const std::function<void()>& on_news) {
  const WatchId watch = feeds_.Watch(job_id, after_sequence, on_news);
  if (closed_) on_news();
  return watch;
}

WatchNews EventSource::Next(WatchId watch) {
  WatchNews news;
  const JobEventPtr event = closed_ ? nullptr : feeds_.Next(watch);
  if (event == nullptr) {
    if (closed_) {
      news.end = *closed_;
    } else if (feeds_.Ended(watch)) {
      news.end = absl::OkStatus();
    }
    return news;
  }
  if (event->has_preview()) metrics_.previews_sent.Increment();
  if (!event->has_image()) {
    news.events.push_back(*event);
    return news;
  }
  const auto image = store_.FindImage(event->job_id(), event->image().image_index());
  if (image.ok() && image->has_value()) {
    AppendChunks(*event, **image, news.events);
    return news;
  }
  news.end = image.ok() ? PictureGone(event->job_id(), event->image().image_index()) : image.status();
  LogError("cannot read a picture", {{"job", event->job_id()},
                                     {"image", event->image().image_index()},
                                     {"error", std::string(news.end->message())}});
  return news;
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
