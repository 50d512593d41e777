#include "worker/link/server_channel.h"

#include "proto/support/channel_arguments.h"

namespace mind {

std::shared_ptr<grpc::Channel> ServerChannel(const std::string& server,
                                             const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  return grpc::CreateCustomChannel(server,
                                   credentials != nullptr ? credentials : grpc::InsecureChannelCredentials(),
                                   ChannelArguments(absl::Seconds(30), absl::Seconds(10)));
}

}  // namespace mind
