// What watchers of a job get: its feed, the pictures out of the store, and the end.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_EVENT_SOURCE_H_
#define MIND_SERVER_GENERATION_EVENT_SOURCE_H_

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "server/generation/job_feed.h"
#include "server/generation/ledger.h"
#include "server/generation/metrics.h"
#include "server/store/job_reader.h"

namespace mind::server {

// What a watcher gets next.
struct WatchNews {
  JobEventPtr event;  // null: there is none now. Large pictures come in parts that fit a message
  std::optional<absl::Status> end;  // set: nothing comes any more, and why. OK: the job has ended
};

class EventSource {
 public:
  // `store` and `metrics` must outlive it. `epoch`: news are numbered above those of earlier ones.
  EventSource(JobReader& store, uint64_t epoch, ServerMetrics& metrics, Post post);

  bool Has(const std::string& job_id) const { return feeds_.Has(job_id); }
  // Makes the feed of a job of an earlier run, or of one that ended long ago. `queued` tells that it waits;
  // none for a job that has ended.
  void Restore(const StoredJob& stored, std::optional<v1::JobEvent> queued);

  uint64_t Reserve(const std::string& job_id) { return feeds_.Reserve(job_id); }
  void PublishAt(const std::string& job_id, uint64_t sequence, v1::JobEvent event) {
    feeds_.PublishAt(job_id, sequence, std::move(event));
  }
  void Publish(const std::string& job_id, v1::JobEvent event) { feeds_.Publish(job_id, std::move(event)); }
  void Forget(const std::string& job_id) { feeds_.Forget(job_id); }
  // The same unless somebody watches: then it goes a while after the last has left (Purge).
  void ForgetUnwatched(const std::string& job_id) {
    if (!feeds_.Watched(job_id)) feeds_.Forget(job_id);
  }
  JobEventPtr Newest(const std::string& job_id, v1::JobEvent::EventCase kind) const {
    return feeds_.Newest(job_id, kind);
  }
  std::vector<std::string> WatchedAfter(const std::string& job_id, size_t limit) const {
    return feeds_.WatchedAfter(job_id, limit);
  }

  // Of a picture: all of it, or only that it is there.
  enum class Pictures { kWhole, kMarks };
  // REQUIRES: Has(job_id). `on_news` is called when Next may have something, now or later.
  WatchId Watch(const std::string& job_id, uint64_t after_sequence, std::function<void()> on_news,
                Pictures pictures = Pictures::kWhole);
  WatchNews Next(WatchId watch);
  void Unwatch(WatchId watch);

  // Ends the watches of a job with this status, and forgets its feed.
  void Fail(const std::string& job_id, const absl::Status& status);
  // Ends every watch, of now and of later, with this status.
  void Close(const absl::Status& status);

  void TakeMetrics();
  // Forgets feeds of jobs that ended a while ago: the store answers for them.
  void Purge(absl::Time now);

 private:
  using Parts = std::deque<JobEventPtr>;
  // The picture a watch is at.
  struct Watcher {
    std::function<void()> on_news;
    Pictures pictures = Pictures::kWhole;
    bool reading = false;  // the store has been asked for it
    Parts parts;           // not taken yet
    std::optional<absl::Status> failed;
  };

  void ReadPicture(WatchId id, Watcher& watcher, const JobEventPtr& event);
  void TakePicture(WatchId id, absl::StatusOr<Parts> parts);

  JobReader& store_;
  ServerMetrics& metrics_;
  const Post post_;
  JobFeeds feeds_;
  std::map<WatchId, Watcher> watchers_;
  std::optional<absl::Status> closed_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_EVENT_SOURCE_H_
