// Where large blobs are kept.
#ifndef MIND_SERVER_STORE_BLOB_STORE_H_
#define MIND_SERVER_STORE_BLOB_STORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mind::server {

// Thread-safe, but that one hash is put and deleted by one thread alone. Errors: see JobStore.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // OK when it has reached the disk. `hash` is that of the data; a blob that is there is left as it is.
  virtual absl::Status Put(const std::string& hash, const std::string& data) = 0;
  // Empty: there is none. DATA_LOSS: it is not what was put.
  virtual absl::StatusOr<std::optional<std::string>> Get(const std::string& hash) = 0;
  virtual absl::Status Delete(const std::string& hash) = 0;
  virtual void ForEach(const std::function<void(const std::string& hash)>& take) = 0;
  // What all of them take up. The first time they are looked at one by one. Called by the thread that puts
  // and deletes.
  virtual uint64_t bytes() = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_BLOB_STORE_H_
