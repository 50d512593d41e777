#include "server/store/object_writer.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

// A picture of a batch that is to be an object.
struct Part {
  std::string job_id;
  StoredObject object;
  std::shared_ptr<const std::string> data;
};

std::vector<Part> LargeParts(const StoreBatch& batch, size_t above) {
  std::vector<Part> parts;
  for (const StoreWrite& write : batch) {
    if (const auto* const insert = std::get_if<InsertJob>(&write)) {
      for (const Blob& picture : insert->pictures) {
        if (picture.data->size() <= above) continue;
        parts.push_back(
            {insert->job.id(), {ObjectKey(insert->job.id(), picture.hash), picture.hash}, picture.data});
      }
    } else if (const auto* const image = std::get_if<AddImage>(&write)) {
      if (image->data == nullptr || image->data->size() <= above) continue;
      const std::string hash = Sha256(*image->data);
      parts.push_back({image->job_id, {ObjectKey(image->job_id, hash), hash}, image->data});
    }
  }
  return parts;
}

}  // namespace

struct ObjectWriter::Waiting {
  absl::Mutex mutex;
  size_t left ABSL_GUARDED_BY(mutex) = 0;
  absl::Status failure ABSL_GUARDED_BY(mutex);
  bool given_up ABSL_GUARDED_BY(mutex) = false;

  bool Over() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return left == 0 || given_up; }
};

ObjectWriter::ObjectWriter(ObjectStore* objects) : objects_(objects), waiting_(std::make_shared<Waiting>()) {}

absl::StatusOr<BatchObjects> ObjectWriter::Put(const StoreBatch& batch) {
  BatchObjects objects;
  if (objects_ == nullptr) return objects;
  const std::vector<Part> parts = LargeParts(batch, objects_->above());
  {
    const absl::MutexLock lock(&waiting_->mutex);
    waiting_->left = parts.size();
    waiting_->failure = absl::OkStatus();
  }
  for (const Part& part : parts) {
    objects.Add(part.job_id, *part.data, part.object);
    objects_->Put(part.object, part.data, [waiting = waiting_](const absl::Status& status) {
      const absl::MutexLock lock(&waiting->mutex);
      --waiting->left;
      if (!status.ok()) waiting->failure = status;
    });
  }
  const absl::MutexLock lock(&waiting_->mutex);
  waiting_->mutex.Await(absl::Condition(waiting_.get(), &Waiting::Over));
  if (waiting_->given_up) {
    return MakeError(absl::StatusCode::kUnavailable, "the store has been given up", "STORE_UNAVAILABLE");
  }
  if (!waiting_->failure.ok()) return waiting_->failure;
  return objects;
}

void ObjectWriter::Delete(const std::vector<std::string>& keys) {
  if (objects_ == nullptr) return;
  for (const std::string& key : keys) objects_->Delete(key);
}

void ObjectWriter::GiveUp() {
  const absl::MutexLock lock(&waiting_->mutex);
  waiting_->given_up = true;
}

}  // namespace mind::server
