#include "server/cluster/leader_link.h"

#include "proto/support/channel_arguments.h"

namespace mind::server {

LeaderLink::LeaderLink(uint64_t the_term, std::shared_ptr<grpc::Channel> the_channel)
    : term(the_term),
      channel(std::move(the_channel)),
      generation(mind::v1::GenerationService::NewStub(channel)),
      cluster(internal::v1::ClusterService::NewStub(channel)) {}

std::shared_ptr<grpc::Channel> DialFront(const std::string& address,
                                         const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments = ChannelArguments(absl::Seconds(10), absl::Seconds(5));
  // A connection for each term: one that hangs shall not be handed on to who comes after it at that address.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace mind::server
