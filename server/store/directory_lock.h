// The guard against two servers on one data directory.
#ifndef MIND_SERVER_STORE_DIRECTORY_LOCK_H_
#define MIND_SERVER_STORE_DIRECTORY_LOCK_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mind::server {

// Held until it is destroyed, or the process ends, however that comes about.
class DirectoryLock {
 public:
  // Locks the file `lock` in the directory, once whoever holds it has gone. FAILED_PRECONDITION: it has not
  // within `patience`.
  static absl::StatusOr<DirectoryLock> Take(const std::string& directory, absl::Duration patience);
  ~DirectoryLock();
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}

  int fd_;
};

// Makes the file if there is none; its owner alone may read it. A descriptor of it.
absl::StatusOr<int> OpenPrivate(const std::string& path);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_DIRECTORY_LOCK_H_
