#include "server/trust/key_keeper.h"

#include <utility>

#include "proto/support/logging.h"

namespace mind::server {

absl::StatusOr<std::unique_ptr<KeyKeeper>> KeyKeeper::Open(const Options& options) {
  std::unique_ptr<KeyKeeper> keeper(new KeyKeeper(options));
  keeper->stamp_ = FileStamp::Of(options.file);
  absl::StatusOr<KeyTable> table = ReadKeyFile(options.file);
  if (!table.ok()) return table.status();
  LogInfo("keys are asked for", {{"file", options.file}, {"keys", table->keys.size()}});
  keeper->book_.SetFile(*std::move(table));
  return keeper;
}

void KeyKeeper::Begin(KeyStore& store) {
  store_ = &store;
  thread_ = std::thread([this] { Main(); });
}

KeyKeeper::~KeyKeeper() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](int* reading) { return *reading == 0; }, &reading_));
}

void KeyKeeper::Main() {
  absl::Duration next_ask = -absl::InfiniteDuration();
  for (;;) {
    LookAtFile();
    if (options_.steady_clock() >= next_ask || store_failed()) {
      next_ask = options_.steady_clock() + options_.ask;
      ReadStore([] {});
    }
    const absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.look)) return;
  }
}

void KeyKeeper::LookAtFile() {
  const FileStamp stamp = FileStamp::Of(options_.file);
  if (stamp == stamp_) return;
  stamp_ = stamp;
  absl::StatusOr<KeyTable> table = ReadKeyFile(options_.file);
  if (!table.ok()) {
    return LogError("the keys are as they were: their file cannot be read again",
                    {{"file", options_.file}, {"error", std::string(table.status().message())}});
  }
  LogInfo("keys read again", {{"file", options_.file}, {"keys", table->keys.size()}});
  book_.SetFile(*std::move(table));
}

void KeyKeeper::ReadStore(std::function<void()> then) {
  {
    const absl::MutexLock lock(&mutex_);
    ++reading_;
  }
  // What is changed after this moment may not be seen.
  store_->Read(
      [this, asked = options_.steady_clock(), then = std::move(then)](absl::StatusOr<KeyTable> table) {
        OnStoreRead(asked, std::move(table));
        then();
        const absl::MutexLock lock(&mutex_);
        --reading_;
      });
}

bool KeyKeeper::store_failed() {
  const absl::MutexLock lock(&mutex_);
  return store_failed_;
}

void KeyKeeper::OnStoreRead(absl::Duration asked, absl::StatusOr<KeyTable> table) {
  bool failed_before = false;
  {
    const absl::MutexLock lock(&mutex_);
    failed_before = std::exchange(store_failed_, !table.ok());
  }
  if (table.ok()) return book_.SetStore(*std::move(table), asked);
  if (failed_before) return;
  LogWarning("the store's keys cannot be read; those that are known hold for half a minute",
             {{"error", std::string(table.status().message())}});
}

}  // namespace mind::server
