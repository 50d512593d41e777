// Hears on a cluster port which term each caller believes in.
#ifndef MIND_SERVER_CLUSTER_TERM_WITNESS_H_
#define MIND_SERVER_CLUSTER_TERM_WITNESS_H_

#include <grpcpp/support/server_interceptor.h>

#include <cstdint>
#include <functional>
#include <utility>

namespace mind::server {

// Makes one for each call. Thread-safe.
class TermWitness : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `heard` is run before the call is taken, on any thread. A term that is no number is not heard.
  explicit TermWitness(std::function<void(uint64_t term)> heard) : heard_(std::move(heard)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  const std::function<void(uint64_t)> heard_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_TERM_WITNESS_H_
