// Connections as clients and workers have them: none shares one.
#ifndef MIND_TESTS_BENCH_SERVER_CONNECTION_H_
#define MIND_TESTS_BENCH_SERVER_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace mind::bench {

inline std::shared_ptr<grpc::Channel> NewConnection(const std::string& server) {
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), own);
}

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_CONNECTION_H_
