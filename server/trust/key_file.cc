#include "server/trust/key_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

absl::Status Failed(const std::string& path, const char* what) {
  return absl::FailedPreconditionError(absl::StrCat(path, ": ", what, ": ", std::strerror(errno)));
}

// Of the directory that the file is in: its own would go with it when it is replaced.
absl::StatusOr<int> LockFolderOf(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed(folder, "cannot be opened");
  while (flock(fd, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    absl::Status status = Failed(folder, "cannot be locked");
    close(fd);
    return status;
  }
  return fd;
}

absl::Status WriteAll(int fd, const std::string& text, const std::string& path) {
  for (size_t written = 0; written < text.size();) {
    const ssize_t count = write(fd, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) return Failed(path, "cannot be written");
    written += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return fsync(fd) == 0 ? absl::OkStatus() : Failed(path, "cannot be written");
}

absl::Status Replace(const std::string& path, const std::string& text) {
  const std::string beside = path + ".new";
  const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return Failed(beside, "cannot be made");
  absl::Status status = fchmod(fd, S_IRUSR | S_IWUSR) == 0 ? WriteAll(fd, text, beside)
                                                           : Failed(beside, "cannot be kept to its owner");
  close(fd);
  if (status.ok() && rename(beside.c_str(), path.c_str()) != 0) status = Failed(path, "cannot be replaced");
  if (!status.ok()) unlink(beside.c_str());
  return status;
}

}  // namespace

absl::StatusOr<KeyTable> ReadKeyFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (errno == ENOENT) {
      return absl::NotFoundError(
          absl::StrCat(path, ": there is no such file; `mind keys create --file ", path, "` makes it"));
    }
    return Failed(path, "cannot be read");
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) return Failed(path, "cannot be read");
  absl::StatusOr<KeyTable> table = ParseKeyTable(text.str());
  if (!table.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", table.status().message()));
  return table;
}

absl::Status ChangeKeyFile(const std::string& path, const std::function<absl::Status(KeyTable&)>& change) {
  const absl::StatusOr<int> lock = LockFolderOf(path);
  if (!lock.ok()) return lock.status();
  const absl::Cleanup unlock = [&lock] { close(*lock); };
  absl::StatusOr<KeyTable> table = ReadKeyFile(path);
  if (absl::IsNotFound(table.status())) table = KeyTable();
  if (!table.ok()) return table.status();
  if (absl::Status status = change(*table); !status.ok()) return status;
  return Replace(path, ToText(*table));
}

FileStamp FileStamp::Of(const std::string& path) {
  FileStamp stamp;
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return stamp;
  stamp.inode_ = found.st_ino;
  stamp.size_ = found.st_size;
  stamp.changed_ns_ = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec;
  return stamp;
}

}  // namespace mind::server
