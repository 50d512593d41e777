// The channel that a worker speaks to its server by.
#ifndef MIND_WORKER_LINK_SERVER_CHANNEL_H_
#define MIND_WORKER_LINK_SERVER_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace mind {

// To HOST:PORT; without credentials in plain text. A dead server is found out in 40 seconds.
std::shared_ptr<grpc::Channel> ServerChannel(const std::string& server,
                                             const std::shared_ptr<grpc::ChannelCredentials>& credentials);

}  // namespace mind

#endif  // MIND_WORKER_LINK_SERVER_CHANNEL_H_
