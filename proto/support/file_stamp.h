// Whether a file is still the one that was read.
#ifndef MIND_PROTO_SUPPORT_FILE_STAMP_H_
#define MIND_PROTO_SUPPORT_FILE_STAMP_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace mind {

// Of what a path leads to, through links: it changes when another file takes the place, or this one is
// written.
struct FileStamp {
  uint64_t device = 0, inode = 0;
  int64_t size = -1, changed_ns = 0;

  // All zero where there is no such file.
  static FileStamp Of(const std::string& path) {
    struct stat file {};
    if (stat(path.c_str(), &file) != 0) return {};
    return {.device = file.st_dev,
            .inode = file.st_ino,
            .size = file.st_size,
            .changed_ns = file.st_mtim.tv_sec * 1'000'000'000 + file.st_mtim.tv_nsec};
  }
  bool operator==(const FileStamp&) const = default;
};

// All of a file. INVALID_ARGUMENT says why it cannot be read.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_FILE_STAMP_H_
