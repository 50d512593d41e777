// What must survive a crash: jobs, their finished pictures, and the models workers have offered.
//
// The store is a log that is committed in batches, and what can be asked about what is in it (JobReader).
#ifndef MIND_SERVER_STORE_JOB_STORE_H_
#define MIND_SERVER_STORE_JOB_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/store/checkpoint_store.h"
#include "server/store/job_reader.h"
#include "server/store/source_pictures.h"
#include "server/store/store_batch.h"
#include "server/store/store_durability.h"

namespace mind::server {

// Jobs that are to be forgotten: those that ended in this time.
struct PurgeQuery {
  absl::Time ended_before;
  // Of this tenant alone; empty: of all but `except`.
  std::string tenant;
  std::vector<std::string> except;
  // Earlier ones are not looked for: of those that are there still none is meant.
  absl::Time ended_since = absl::InfinitePast();
};

// Called from one thread, the server's loop.
//
// Errors: those of JobReader; UNAVAILABLE also for a full disk, and of a batch it says that it may or may not
// have been committed: the same batch again does the same. ABORTED with the reason kTermOver: another server
// decides now (TermStore). Nothing was written, nothing will be, and nothing that this store has said since
// is to be believed: whoever uses it lets go of it and of all that it knows.
class JobStore : public virtual JobReader {
 public:
  // --- The log. Jobs hold no pictures but their hashes.

  // All of it or nothing; OK when it has reached the disk. Batches are committed in the order they are given.
  virtual void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) = 0;
  // Forgets at most `limit` of these jobs, with their pictures. Where no tenant is named, also what was used
  // so long before that time that it need not be known any more, of as many jobs at most. Tells of how many,
  // the larger number of both: fewer than `limit` when nothing is left.
  virtual void Purge(const PurgeQuery& query, int limit, Done<int> done) = 0;
  // What it takes up on this server's disk, without what is free for more of it. UNIMPLEMENTED: it lies
  // elsewhere.
  virtual void BytesUsed(Done<uint64_t> done) { done(absl::UnimplementedError("it lies elsewhere")); }

  // The pictures that the job's spec names. DATA_LOSS: one is no longer there.
  virtual void FindSources(const std::string& job_id, Done<PictureBytes> done) = 0;

  // At the start: gives each job that has not ended, in order of creation. Waits for the disk.
  virtual absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) = 0;
  // At the start: gives each job that has ended and whose webhook has not been settled since (SettleWebhook).
  virtual absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) = 0;
  // At the start: what AddSecret has kept for this purpose, newest first.
  virtual absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) = 0;
  // At the start: what models have cost.
  virtual absl::StatusOr<std::vector<StoredPrice>> Prices() { return std::vector<StoredPrice>(); }
  // At the start: the workers' time that tenants have used in jobs which ended since, the earliest first.
  virtual absl::StatusOr<std::vector<UsedTime>> UsedSince(absl::Time) { return std::vector<UsedTime>(); }
  // Null: it keeps no states of pictures. What workers keep is all there is then.
  virtual CheckpointStore* checkpoints() { return nullptr; }
  // What has not been done will not be: whoever waits is told UNAVAILABLE, and the destructor waits for no
  // answer from a database that may never come.
  virtual void GiveUp() {}
  // What survives what, once it is committed. Thread-safe.
  virtual StoreDurability durability() const = 0;
  // Counts who has written to this store: of a server, or of its term where several share the store. Event
  // sequences of a later epoch are above those of an earlier.
  virtual uint64_t epoch() const = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_JOB_STORE_H_
