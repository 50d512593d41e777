// What the store is to write: changes in the order they were decided, all of which reach the disk or none.
//
// Every write is idempotent: a batch of which nobody knows whether it was committed is tried again as it is.
#ifndef MIND_SERVER_STORE_STORE_BATCH_H_
#define MIND_SERVER_STORE_STORE_BATCH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/model.pb.h"
#include "server/store/blob.h"

namespace mind::server {

// A request_id and the request it was used with.
struct RequestKey {
  std::string tenant;
  std::string request_id;  // empty: the job has none
  std::string fingerprint;
  std::string replaces;  // the job that has this request_id and gives it up; empty: none
};

// A new job.
struct InsertJob {
  v1::Job job;
  RequestKey key;
  bool tied = false;           // it lives only as long as a call wants it
  std::vector<Blob> pictures;  // that its spec names: source_pictures.h
};
// A job that has changed and not ended.
struct UpdateJob {
  v1::Job job;
};
// A job that has ended, and the number of the event that tells of it. What it has used is noted with it, and
// known longer. If it has a webhook_url, that is to be
// told, until SettleWebhook.
struct EndJob {
  v1::Job job;
  uint64_t sequence = 0;
};
// From now on the job lives by itself.
struct UntieJob {
  std::string id;
};
// A job that leaves no trace: it was never promised to anybody, or its owner wants it gone. Its pictures go
// with it, but for those that other jobs have too.
struct ForgetJob {
  std::string id;
};
// A finished picture. One that is there already is left as it is.
struct AddImage {
  std::string job_id;
  uint32_t index = 0;
  uint64_t seed = 0;
  std::string media_type;
  uint64_t sequence = 0;                    // of the event that tells of it
  std::shared_ptr<const std::string> data;  // null where it is an object
  std::optional<StoredObject> object = std::nullopt;
};
// A model that workers offer, new or described anew.
struct SaveModel {
  v1::Model model;
};

// Whoever was to be told of the job's end has been, or will not be any more.
struct SettleWebhook {
  std::string id;
};
// Random bytes that only those who share the store know.
struct StoredSecret {
  std::string secret;
  absl::Time made;
};
// Of each purpose the newest are kept, so many: one that has just been replaced is still accepted.
inline constexpr size_t kSecretsKept = 2;
struct AddSecret {
  std::string purpose;
  StoredSecret secret;
};

// What a row of a model takes: a part that is always there, and a part that grows with the picture.
struct StoredPrice {
  std::string model;
  std::string revision;  // of the weights it was measured with
  absl::Duration row, row_megapixel;
};
// In place of the one before of the model.
struct SavePrice {
  StoredPrice price;
};

// Seconds of one worker that jobs of a tenant have used which ended about then.
struct UsedTime {
  std::string tenant;
  absl::Time ended;
  double worker_seconds = 0;
};

// What the record of a job's use holds of how far it came.
inline uint32_t StepsUsed(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_SUCCEEDED ? job.steps_total() : job.steps_done();
}

using StoreWrite = std::variant<InsertJob, UpdateJob, EndJob, UntieJob, ForgetJob, AddImage, SaveModel,
                                SettleWebhook, AddSecret, SavePrice>;
using StoreBatch = std::vector<StoreWrite>;

// About what it takes up in memory.
size_t BytesOf(const StoreWrite& write);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_STORE_BATCH_H_
