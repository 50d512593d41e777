// What watchers of a job are told: its events, numbered, and at most the newest of those that are only news.
//
// A feed keeps the events that matter for good (queued, started, each picture, completed), one slot for where
// the job waits, and one slot a picture each for its newest stage, progress and preview. A watcher is a
// position in that: it asks for the next event after the last one it got. So a slow watcher skips to the
// newest by itself, any number of watchers cost nothing while nothing happens, and none holds anything up.
//
// Sequence numbers rise from event to event of a job. Those of pictures and of `completed` are kept with the
// facts they tell of, so that they are the same when the feed is made anew from the store; those of news
// begin above the store's epoch, which rises with every start of the server. A fact is told when it is
// durable, which is some time after it has got its number: news meanwhile are numbered below it, so that no
// watcher is past the fact before it is told.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_JOB_FEED_H_
#define MIND_SERVER_GENERATION_JOB_FEED_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "server/generation/ledger.h"

namespace mind::server {

using JobEventPtr = std::shared_ptr<const v1::JobEvent>;
using WatchId = uint64_t;

class JobFeeds {
 public:
  // New sequences start above `base`: the server passes its store's epoch in the high bits. `post` runs what
  // it is given on the loop, later, and not once these feeds are gone.
  JobFeeds(uint64_t base, Post post) : base_(base), post_(std::move(post)) {}

  // A number above all that the job's feed has, for an event that is to be stored before it is told.
  uint64_t Reserve(const std::string& job_id);
  // Keeps the event under a number that was reserved, now or by an earlier run of the server, and tells the
  // job's watchers that there is news.
  void PublishAt(const std::string& job_id, uint64_t sequence, v1::JobEvent event);
  // News: told now.
  void Publish(const std::string& job_id, v1::JobEvent event);
  // The job was none; nobody has watched it.
  void Forget(const std::string& job_id) { feeds_.erase(job_id); }

  bool Has(const std::string& job_id) const { return feeds_.count(job_id) != 0; }
  // What is in the slot of this kind that belongs to the job itself, or to its first picture; null: nothing.
  JobEventPtr Newest(const std::string& job_id, v1::JobEvent::EventCase kind) const;
  std::vector<WatchId> WatchersOf(const std::string& job_id) const;
  bool Watched(const std::string& job_id) const { return watched_.count(job_id) != 0; }
  // The jobs that somebody watches, in order of their ids, from after this one on, at most so many.
  std::vector<std::string> WatchedAfter(const std::string& job_id, size_t limit) const;

  // A watcher from after a sequence number on. `on_news` is called when Next or Ended may have changed, soon
  // after it has: many watchers are told a few at a time, so that what else is to be decided comes between.
  // At once if there is something already.
  WatchId Watch(const std::string& job_id, uint64_t after_sequence, std::function<void()> on_news);
  void Unwatch(WatchId id);
  // The watcher's next event, null if there is none now. The position moves on.
  JobEventPtr Next(WatchId id);
  // Whether nothing will come any more: the watcher has had the last event, or began after it.
  bool Ended(WatchId id) const;
  // Tells every watcher that there is news, a few at a time as well.
  void TellAll() { TellAllFrom(0); }

  // Forgets feeds whose job ended before this time and which nobody watches.
  void Purge(absl::Time ended_before);

  // Previews that a watcher went past because a newer one had replaced them; since the last call.
  int64_t TakeDroppedPreviews() { return std::exchange(dropped_previews_, 0); }
  size_t watchers() const { return watchers_.size(); }

 private:
  struct Entry {
    JobEventPtr event;
    uint64_t previews_before = 0;  // of the job's, whether or not they are still there
  };
  struct Feed {
    std::map<uint64_t, Entry> events;
    std::map<std::pair<int, uint32_t>, uint64_t> slots;  // (kind, picture) → sequence of the event in it
    std::set<WatchId> watchers;
    std::set<uint64_t> reserved;  // numbers of facts that have not been told
    uint64_t last_told = 0;
    uint64_t previews = 0;   // published
    bool telling = false;    // its watchers are being told
    bool told_late = false;  // and something has come since that began
    absl::Time ended = absl::InfiniteFuture();
  };
  struct Watcher {
    std::string job_id;
    const Feed* feed = nullptr;  // the job's: not forgotten while it is watched
    uint64_t position = 0;
    uint64_t previews = 0;  // published up to there
    std::function<void()> on_news;
  };

  void Tell(const std::string& job_id, Feed& feed);
  // Tells a few from after this one on, and the rest later.
  void TellFrom(const std::string& job_id, WatchId after);
  void TellAllFrom(WatchId after);
  void TellWatchers(const std::vector<WatchId>& watchers);

  const uint64_t base_;
  const Post post_;
  std::map<std::string, Feed> feeds_;
  std::map<WatchId, Watcher> watchers_;  // not hashed: a table that grows moves all it has, while others wait
  std::set<std::string> watched_;        // jobs with watchers
  WatchId last_watch_ = 0;
  int64_t dropped_previews_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_JOB_FEED_H_
