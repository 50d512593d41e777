// How a process connects to a server that it is never without: workers to theirs, fronts to the one that
// leads.
#ifndef MIND_PROTO_SUPPORT_CHANNEL_ARGUMENTS_H_
#define MIND_PROTO_SUPPORT_CHANNEL_ARGUMENTS_H_

#include <grpcpp/grpcpp.h>

#include "absl/time/time.h"
#include "proto/support/message_size.h"

namespace mind {

// After this much silence the other end is asked whether it is there, whether calls run or not; without an
// answer within `patience` the connection is given up.
inline grpc::ChannelArguments ChannelArguments(absl::Duration silence, absl::Duration patience) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(absl::ToInt64Milliseconds(silence)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Who connects makes pauses of its own between tries; gRPC's must not add to them.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);  // how long a try, and a handshake, may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return arguments;
}

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_CHANNEL_ARGUMENTS_H_
