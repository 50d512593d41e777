#include "server/cluster/leader_link.h"

#include "proto/support/message_size.h"

namespace mind::server {

LeaderLink::LeaderLink(uint64_t the_term, std::shared_ptr<grpc::Channel> the_channel)
    : term(the_term),
      channel(std::move(the_channel)),
      generation(mind::v1::GenerationService::NewStub(channel)),
      cluster(internal::v1::ClusterService::NewStub(channel)) {}

std::shared_ptr<grpc::Channel> DialFront(const std::string& address,
                                         const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);  // how long a try, and a handshake, may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A connection for each term: one that hangs shall not be handed on to who comes after it at that address.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace mind::server
