// Keeps a KeyBook up to date: reads the file again when it has changed, and the store every few seconds.
#ifndef MIND_SERVER_TRUST_KEY_KEEPER_H_
#define MIND_SERVER_TRUST_KEY_KEEPER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/trust/key_book.h"
#include "server/trust/key_file.h"
#include "server/trust/key_store.h"

namespace mind::server {

class KeyKeeper {
 public:
  struct Options {
    std::string file;
    absl::Duration look = absl::Seconds(1);        // at the file
    absl::Duration ask = absl::Seconds(5);         // the store
    std::function<absl::Duration()> steady_clock;  // REQUIRES: set
  };

  // Reads the file, which must be there and right.
  static absl::StatusOr<std::unique_ptr<KeyKeeper>> Open(const Options& options);
  // From now on both are read again and again; the store may still be away. Call once. `store` must outlive
  // the keeper.
  void Begin(KeyStore& store);
  ~KeyKeeper();

  const KeyBook& book() const { return book_; }
  // The store has been changed here: it is read now, and `then` is told when its keys hold. REQUIRES: Begin.
  void ReadStore(std::function<void()> then);

 private:
  explicit KeyKeeper(Options options) : options_(std::move(options)) { book_.ExpectStore(); }

  void Main();
  void LookAtFile();
  void OnStoreRead(absl::Duration asked, absl::StatusOr<KeyTable> table) ABSL_LOCKS_EXCLUDED(mutex_);
  bool store_failed() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  KeyStore* store_ = nullptr;  // until Begin
  KeyBook book_;
  FileStamp stamp_;  // the thread's, once started
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool store_failed_ ABSL_GUARDED_BY(mutex_) = false;  // last time
  int reading_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_KEY_KEEPER_H_
