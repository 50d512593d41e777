// The way from one front to another that leads: a channel to its cluster port, and what is asked there.
//
// Thread-safe.
#ifndef MIND_SERVER_CLUSTER_LEADER_LINK_H_
#define MIND_SERVER_CLUSTER_LEADER_LINK_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "mind/internal/v1/cluster.grpc.pb.h"
#include "mind/v1/generation.grpc.pb.h"

namespace mind::server {

// Metadata of every call on a cluster port: the term that the caller believes in.
inline constexpr char kTermKey[] = "mind-term";

struct LeaderLink {
  LeaderLink(uint64_t the_term, std::shared_ptr<grpc::Channel> the_channel);

  const uint64_t term;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::GenerationService::Stub> generation;
  const std::unique_ptr<internal::v1::ClusterService::Stub> cluster;
};

// Null: nobody leads, as far as is known.
using LeaderLinkPtr = std::shared_ptr<const LeaderLink>;

// Does not wait for the connection.
std::shared_ptr<grpc::Channel> DialFront(
    const std::string& address,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials = grpc::InsecureChannelCredentials());

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_LEADER_LINK_H_
