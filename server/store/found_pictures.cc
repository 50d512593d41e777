#include "server/store/found_pictures.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

absl::Status NoObjectStore() {
  return WithRetry(MakeError(absl::StatusCode::kUnavailable,
                             "the picture lies in an object store, and this server has none (--blobs)",
                             "OBJECTS_UNREACHABLE"),
                   absl::Seconds(5));
}

// Objects of one job that are being read, and whoever waits for the last.
struct Gathering {
  absl::Mutex mutex;
  PictureBytes bytes ABSL_GUARDED_BY(mutex);
  absl::Status failure ABSL_GUARDED_BY(mutex);
  size_t left ABSL_GUARDED_BY(mutex) = 0;

  // Empty: some are not here yet.
  std::optional<absl::StatusOr<PictureBytes>> Take(const std::string& hash,
                                                   absl::StatusOr<std::string> data) {
    const absl::MutexLock lock(&mutex);
    data.ok() ? void(bytes[hash] = *std::move(data)) : failure.Update(data.status());
    if (--left > 0) return std::nullopt;
    if (!failure.ok()) return failure;
    return std::move(bytes);
  }
};

}  // namespace

absl::Status SourceGone(const std::string& job_id) {
  return MakeError(absl::StatusCode::kDataLoss, "a picture that the request brought is no longer there",
                   "PICTURE_GONE", {{"job", job_id}});
}

void ReadObjects(absl::StatusOr<std::optional<FoundImage>> found, ObjectStore* objects,
                 StoreDone<std::optional<StoredImage>> done) {
  if (!found.ok()) return done(found.status());
  if (!found->has_value()) return done(std::nullopt);
  FoundImage& one = **found;
  if (!one.object.has_value()) return done(std::move(one.image));
  if (objects == nullptr) return done(NoObjectStore());
  objects->Get(*one.object, [image = std::move(one.image), done = std::move(done)](
                                absl::StatusOr<std::optional<std::string>> data) mutable {
    if (!data.ok()) return done(data.status());
    if (!data->has_value()) return done(std::nullopt);
    image.data = **std::move(data);
    done(std::move(image));
  });
}

void ReadObjects(const std::string& job_id, absl::StatusOr<FoundSources> found, ObjectStore* objects,
                 StoreDone<PictureBytes> done) {
  if (!found.ok()) return done(found.status());
  if (found->objects.empty()) return done(std::move(found->bytes));
  if (objects == nullptr) return done(NoObjectStore());
  const auto gathering = std::make_shared<Gathering>();
  {
    const absl::MutexLock lock(&gathering->mutex);
    gathering->bytes = std::move(found->bytes);
    gathering->left = found->objects.size();
  }
  for (const StoredObject& object : found->objects) {
    objects->Get(object, [gathering, job_id, hash = object.hash,
                          done](absl::StatusOr<std::optional<std::string>> data) {
      absl::StatusOr<std::string> bytes = SourceGone(job_id);
      if (!data.ok()) bytes = data.status();
      if (data.ok() && data->has_value()) bytes = **std::move(data);
      if (auto all = gathering->Take(hash, std::move(bytes))) done(*std::move(all));
    });
  }
}

}  // namespace mind::server
