#include "server/store/blob_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/store/blob.h"

namespace mind::server {
namespace {

constexpr absl::Duration kFilesRetry = absl::Seconds(5);
constexpr char kUnfinished[] = ".new";  // ends the name of a file that is being written
constexpr size_t kNameLength = 64;      // of a whole one

absl::Status FileError(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return WithRetry(MakeError(absl::StatusCode::kUnavailable, absl::StrCat(path, ": ", std::strerror(error)),
                             full ? "STORE_FULL" : "STORE_UNAVAILABLE"),
                   kFilesRetry);
}

bool WriteAll(int fd, const std::string& data) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t written = write(fd, data.data() + done, data.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<size_t>(written);
  }
  return true;
}

// Writes a new file and waits until it is on the disk.
absl::Status WriteFile(const std::string& path, const std::string& data) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return FileError(path, errno);
  const bool done = WriteAll(fd, data) && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (done) return absl::OkStatus();
  unlink(path.c_str());
  return FileError(path, error);
}

// The names in a folder are on the disk.
absl::Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(path, errno);
  const bool done = fsync(fd) == 0;
  const int error = errno;
  close(fd);
  return done ? absl::OkStatus() : FileError(path, error);
}

// Makes a folder, if there is none, in one that is there.
absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), S_IRWXU) == 0) return SyncFolder(path + "/..");
  return errno == EEXIST ? absl::OkStatus() : FileError(path, errno);
}

}  // namespace

std::string BlobFiles::FolderOf(const std::string& hash) const {
  return absl::StrCat(directory_, "/", absl::BytesToHexString(hash.substr(0, 1)));
}

std::string BlobFiles::PathOf(const std::string& hash) const {
  return absl::StrCat(FolderOf(hash), "/", absl::BytesToHexString(hash));
}

absl::Status BlobFiles::Put(const std::string& hash, const std::string& data) {
  const std::string folder = FolderOf(hash), path = PathOf(hash), unfinished = path + kUnfinished;
  absl::Status status = MakeFolder(directory_);
  if (status.ok()) status = MakeFolder(folder);
  if (!status.ok()) return status;
  if (access(path.c_str(), F_OK) != 0) {
    if (status = WriteFile(unfinished, data); !status.ok()) return status;
    if (rename(unfinished.c_str(), path.c_str()) != 0) return FileError(path, errno);
    if (bytes_) *bytes_ += data.size();
  }
  // Also of one that is there: whoever put it may not have come so far.
  return SyncFolder(folder);
}

absl::StatusOr<std::optional<std::string>> BlobFiles::Get(const std::string& hash) {
  const std::string path = PathOf(hash);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::nullopt;
  if (fd < 0) return FileError(path, errno);
  const absl::Cleanup closes = [fd] { close(fd); };
  struct stat about {};
  if (fstat(fd, &about) != 0) return FileError(path, errno);
  std::string data(static_cast<size_t>(about.st_size), '\0');
  for (size_t done = 0; done < data.size();) {
    const ssize_t got = read(fd, data.data() + done, data.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(path, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  if (Sha256(data) != hash) {
    return MakeError(absl::StatusCode::kDataLoss, absl::StrCat(path, " is damaged"), "STORE_DAMAGED");
  }
  return data;
}

absl::Status BlobFiles::Delete(const std::string& hash) {
  const std::string path = PathOf(hash);
  struct stat about {};
  const bool there = stat(path.c_str(), &about) == 0;
  if (unlink(path.c_str()) != 0) return errno == ENOENT ? absl::OkStatus() : FileError(path, errno);
  if (bytes_ && there) *bytes_ -= std::min(*bytes_, static_cast<uint64_t>(about.st_size));
  return absl::OkStatus();
}

uint64_t BlobFiles::bytes() {
  if (bytes_) return *bytes_;
  bytes_ = 0;
  ForEach([this](const std::string& hash) {
    struct stat about {};
    if (stat(PathOf(hash).c_str(), &about) == 0) *bytes_ += static_cast<uint64_t>(about.st_size);
  });
  return *bytes_;
}

void BlobFiles::ForEach(const std::function<void(const std::string& hash)>& take) {
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator file(directory_, error), end; !error && file != end;
       file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (name.size() == kNameLength) take(absl::HexStringToBytes(name));
    // A crash left it.
    if (file->path().extension() == kUnfinished) unlink(file->path().c_str());
  }
}

}  // namespace mind::server
