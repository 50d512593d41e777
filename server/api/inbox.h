// What a worker's stream has read and the loop has not taken yet.
#ifndef MIND_SERVER_API_INBOX_H_
#define MIND_SERVER_API_INBOX_H_

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "mind/v1/worker.pb.h"

namespace mind::server {

// gRPC's thread puts messages in and reads on while there is room; the loop takes all there are at once, so
// that a worker with much to say costs it one turn, not one a message. Bounded: a full inbox stops the
// reading, and the worker fills its own connection, not the server's memory. Thread-safe.
class Inbox {
 public:
  // Beyond either there is no room; a message that is larger alone is taken alone.
  static constexpr size_t kMessages = 64;
  static constexpr size_t kBytes = 256 << 10;

  struct Put {
    bool first = false;    // the loop has to be told
    bool read_on = false;  // there is room for another; else whoever takes these goes on with the reading
  };
  Put Add(v1::ConnectRequest message) {
    const size_t bytes = message.ByteSizeLong();
    const std::lock_guard lock(mutex_);
    const bool first = messages_.empty();
    messages_.push_back(std::move(message));
    bytes_ += bytes;
    full_ = messages_.size() >= kMessages || bytes_ >= kBytes;
    return {first, !full_};
  }

  struct Taken {
    std::vector<v1::ConnectRequest> messages;
    bool was_full = false;  // reading has stopped
  };
  Taken TakeAll() {
    const std::lock_guard lock(mutex_);
    bytes_ = 0;
    return {std::exchange(messages_, {}), std::exchange(full_, false)};
  }

 private:
  std::mutex mutex_;
  std::vector<v1::ConnectRequest> messages_;  // guarded by mutex_, as are the others
  size_t bytes_ = 0;
  bool full_ = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_INBOX_H_
