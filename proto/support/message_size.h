// The largest message that server, workers and clients send each other.
#ifndef MIND_PROTO_SUPPORT_MESSAGE_SIZE_H_
#define MIND_PROTO_SUPPORT_MESSAGE_SIZE_H_

#include <cstddef>

namespace mind {

// A worker sends a finished picture in one message: room for 4096×4096 RGB without compression.
inline constexpr int kMaxMessageBytes = 64 * 1024 * 1024;
// What of it one field of bytes may take; the rest is for the fields around it.
inline constexpr size_t kMaxPayloadBytes = kMaxMessageBytes - 64 * 1024;

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_MESSAGE_SIZE_H_
