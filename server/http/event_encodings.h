// Events as they go to those who watch over HTTP: each is encoded once, however many they are.
#ifndef MIND_SERVER_HTTP_EVENT_ENCODINGS_H_
#define MIND_SERVER_HTTP_EVENT_ENCODINGS_H_

#include <deque>
#include <functional>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "server/generation/job_feed.h"
#include "server/http/message.h"

namespace mind::server {

// The loop's; what it gives may be called from any thread.
class EventEncodings {
 public:
  // Gives the event as a server-sent one, whose name is its kind, id its sequence number and data its JSON:
  // encoded by whoever calls first, the same bytes for all while any of them still has it to send, or it is
  // among the newest.
  std::function<SharedBytes()> Of(const JobEventPtr& event);

 private:
  struct Slot;

  void Sweep();

  absl::flat_hash_map<const v1::JobEvent*, std::weak_ptr<Slot>> slots_;  // which hold their events
  size_t sweep_at_ = 0;                                                  // when there are so many
  std::deque<std::shared_ptr<Slot>> newest_;  // or the first would be done with it before the last gets it
};

// The event without what is in its picture, if it has one.
SharedBytes EncodeEvent(const v1::JobEvent& event);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_EVENT_ENCODINGS_H_
