// A file of keys on the disk: read by servers, changed by `mind keys --file`.
#ifndef MIND_SERVER_TRUST_KEY_FILE_H_
#define MIND_SERVER_TRUST_KEY_FILE_H_

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/trust/key_table.h"

namespace mind::server {

// Errors name the file. NOT_FOUND: there is none. INVALID_ARGUMENT: it holds no keys. FAILED_PRECONDITION:
// the system does not let it be read or written.
absl::StatusOr<KeyTable> ReadKeyFile(const std::string& path);

// Makes of the file, or of an empty one where there is none, what `change` does to its keys. Whoever reads
// meanwhile sees the one or the other; of two who change it the second begins when the first has ended. Only
// the owner may read it.
absl::Status ChangeKeyFile(const std::string& path, const std::function<absl::Status(KeyTable&)>& change);

// Tells a file from what it was: another inode, another size or time.
class FileStamp {
 public:
  static FileStamp Of(const std::string& path);
  friend bool operator==(const FileStamp&, const FileStamp&) = default;

 private:
  ino_t inode_ = 0;
  off_t size_ = -1;  // there is none
  int64_t changed_ns_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_KEY_FILE_H_
