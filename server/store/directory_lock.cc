#include "server/store/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace mind::server {
namespace {

constexpr absl::Duration kLockPause = absl::Milliseconds(20);

}  // namespace

absl::StatusOr<int> OpenPrivate(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) == 0) return fd;
  const int error = errno;
  if (fd >= 0) close(fd);
  return absl::FailedPreconditionError(absl::StrCat(path, ": ", std::strerror(error)));
}

absl::StatusOr<DirectoryLock> DirectoryLock::Take(const std::string& directory, absl::Duration patience) {
  const absl::StatusOr<int> fd = OpenPrivate(directory + "/lock");
  if (!fd.ok()) return fd.status();
  DirectoryLock lock(*fd);
  for (absl::Duration waited; flock(*fd, LOCK_EX | LOCK_NB) != 0; waited += kLockPause) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory, ": cannot be locked: ", std::strerror(errno)));
    }
    if (waited >= patience) {
      return absl::FailedPreconditionError(absl::StrCat(directory, ": another mind-server is using it"));
    }
    absl::SleepFor(kLockPause);
  }
  return lock;
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace mind::server
