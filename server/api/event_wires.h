// Events in the form in which they travel, made once for all who watch.
#ifndef MIND_SERVER_API_EVENT_WIRES_H_
#define MIND_SERVER_API_EVENT_WIRES_H_

#include <grpcpp/support/byte_buffer.h>

#include <deque>
#include <utility>

#include "server/generation/job_feed.h"

namespace mind::server {

// Keeps those that were asked for last: watchers of a job come for the same event one after the other.
//
// All on the server's loop; not thread-safe.
class EventWires {
 public:
  // A serialized GenerateImageResponse or WatchJobResponse: they are the same, the event in field 1.
  grpc::ByteBuffer Of(const JobEventPtr& event);

 private:
  std::deque<std::pair<JobEventPtr, grpc::ByteBuffer>> recent_;  // newest first
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_EVENT_WIRES_H_
