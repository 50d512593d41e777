// Large pictures outside the job store, where it is told of a place for them: its rows name them.
#ifndef MIND_SERVER_STORE_OBJECT_STORE_H_
#define MIND_SERVER_STORE_OBJECT_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mind/v1/worker.pb.h"
#include "server/store/blob.h"

namespace mind::server {

// The object that the server itself makes for a job.
std::string ObjectKey(const std::string& job_id, const std::string& hash);
// The one that a worker may put there: whoever makes the picture anew has another.
std::string UploadKey(const v1::ImageRef& image);

// Thread-safe. What is asked is answered once, on a thread of the store's own or, at its end, on the one that
// destroys it: a callback does no more than pass on what it is told.
//
// Errors: UNAVAILABLE with ErrorInfo and RetryInfo, whatever is wrong with the place: it may be right again
// without anybody's asking.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Pictures of more bytes are objects.
  virtual size_t above() const = 0;

  // OK when it is kept for good. One that is there has the same content.
  virtual void Put(const StoredObject& object, std::shared_ptr<const std::string> data,
                   std::function<void(absl::Status)> done) = 0;
  // Empty: there is none. DATA_LOSS: it is not what was put.
  virtual void Get(const StoredObject& object,
                   std::function<void(absl::StatusOr<std::optional<std::string>>)> done) = 0;
  // In its time; one that stays there all the same is in nobody's way.
  virtual void Delete(const std::string& key) = 0;

  // What somebody needs who is to put a file there, and knows no secret. Does not ask the store.
  virtual v1::Upload Grant(const std::string& key, const std::string& media_type) const = 0;
  // Whether it is there as it is said to be. FAILED_PRECONDITION says what is not.
  virtual void Check(const std::string& key, const v1::UploadedFile& file,
                     std::function<void(absl::Status)> done) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_OBJECT_STORE_H_
