// A certificate with its key, from files that may be replaced while the process runs.
#ifndef MIND_PROTO_SUPPORT_TLS_IDENTITY_H_
#define MIND_PROTO_SUPPORT_TLS_IDENTITY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "proto/support/certificate.h"
#include "proto/support/file_stamp.h"

namespace mind {

// Thread-safe.
class TlsIdentity {
 public:
  // The certificate's file may hold those between it and its authority after it. INVALID_ARGUMENT: they
  // cannot be read, or are no pair.
  static absl::StatusOr<std::shared_ptr<TlsIdentity>> Load(const std::string& certificate_file,
                                                           const std::string& key_file);

  const std::string& certificate_file() const { return certificate_file_; }
  const std::string& key_file() const { return key_file_; }

  struct Pair {
    std::string chain, key;   // PEM
    Certificate certificate;  // the first of the chain
  };
  // As last read.
  std::shared_ptr<const Pair> pair() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Reads the files again if they have changed; true if they are another pair now. Where they are no pair,
  // which may be because one has been replaced and the other not yet, the one before stays, and the log says
  // so once.
  bool ReadAgain() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  TlsIdentity(std::string certificate_file, std::string key_file)
      : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}
  std::pair<FileStamp, FileStamp> Stamps() const {
    return {FileStamp::Of(certificate_file_), FileStamp::Of(key_file_)};
  }
  absl::StatusOr<Pair> Read() const;

  const std::string certificate_file_, key_file_;
  mutable absl::Mutex mutex_;
  std::pair<FileStamp, FileStamp> stamps_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Pair> pair_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_TLS_IDENTITY_H_
