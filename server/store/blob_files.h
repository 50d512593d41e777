// Blobs as files, one each, named by their hash.
#ifndef MIND_SERVER_STORE_BLOB_FILES_H_
#define MIND_SERVER_STORE_BLOB_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "server/store/blob_store.h"

namespace mind::server {

// A file is written under another name and gets its own when all of it is on the disk: what is there is
// whole.
class BlobFiles : public BlobStore {
 public:
  // `directory` is made when the first blob is put; its owner alone may read it.
  explicit BlobFiles(std::string directory) : directory_(std::move(directory)) {}

  absl::Status Put(const std::string& hash, const std::string& data) override;
  absl::StatusOr<std::optional<std::string>> Get(const std::string& hash) override;
  absl::Status Delete(const std::string& hash) override;
  void ForEach(const std::function<void(const std::string& hash)>& take) override;
  uint64_t bytes() override;

 private:
  // A folder holds those whose hashes begin alike, so that none grows too large.
  std::string FolderOf(const std::string& hash) const;
  std::string PathOf(const std::string& hash) const;

  const std::string directory_;
  std::optional<uint64_t> bytes_;  // unset: nobody has asked yet
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_BLOB_FILES_H_
