// Takes connections in for a gRPC server.
//
// A listener of gRPC's own is deaf for good once it could not accept a connection because the process may not
// open one more file: a thousand connections of nobody's would end a server that goes on running. This one
// waits and goes on, and keeps files back for what else the process opens.
#ifndef MIND_SERVER_PROCESS_DOOR_H_
#define MIND_SERVER_PROCESS_DOOR_H_

#include <grpcpp/grpcpp.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace mind::server {

class Door {
 public:
  struct Options {
    std::string address;  // HOST:PORT; port 0: any that is free
    uint64_t files = 0;   // that the process may have open
    uint64_t kept = 256;  // of them for what is no connection of this door's; a quarter of them at most
  };
  // What doors count in.
  static prometheus::Counter& TurnedAway(prometheus::Registry& registry);
  // Listens. `turned_away` counts connections that were closed at once for want of files, and must outlive
  // it. UNAVAILABLE: it cannot listen there.
  static absl::StatusOr<std::unique_ptr<Door>> Open(const Options& options, prometheus::Counter& turned_away);
  ~Door();

  int port() const { return port_; }
  // Builds the server that gets the connections, from now on; once. It must not shut down before Close, nor
  // be destroyed before the door. Null: gRPC cannot.
  std::unique_ptr<grpc::Server> Build(grpc::ServerBuilder& builder,
                                      std::shared_ptr<grpc::ServerCredentials> credentials);
  // No more connections. May be called again.
  void Close();

 private:
  Door(const Options& options, prometheus::Counter& turned_away);

  absl::Status Listen();
  void Main();
  // Those that wait at this listener. False: there are no files for more.
  bool TakeIn(int listener);

  const Options options_;
  prometheus::Counter& turned_away_;
  int port_ = 0;
  std::vector<int> listeners_;
  int wake_ = -1;  // an eventfd: the thread is to end
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::thread thread_;
};

// Calls whose messages are compressed are refused, UNIMPLEMENTED. gRPC unpacks a message before it looks at
// its size: 64 KiB become 64 MiB, and 64 MiB all of memory. Nothing that clients send gets much smaller by
// it.
inline void RefusePacked(grpc::ServerBuilder& builder) {
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
}

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_DOOR_H_
