// HTTP/1.1 on Boost.Beast: connections, limits and threads. What is asked and answered is the router's.
#ifndef MIND_SERVER_HTTP_HTTP_SERVER_H_
#define MIND_SERVER_HTTP_HTTP_SERVER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/http/end_of_turn.h"
#include "server/http/http_tls.h"
#include "server/http/router.h"

namespace mind::server {

struct HttpLimits {
  size_t header_bytes = 16 * 1024;
  uint64_t body_bytes = 32 * 1024 * 1024;
  // Of all bodies that are being read, or looked at; beyond, requests are refused while they are read.
  uint64_t bodies_bytes = 256 * 1024 * 1024;
  // For a request's header to come whole, and for what is idle between requests.
  std::chrono::seconds header_time{30};
  std::chrono::seconds idle_time{75};
  // For a body or a part of an answer: this, and as long as it takes at the lowest rate.
  std::chrono::seconds transfer_time{30};
  uint64_t lowest_rate = 16 * 1024;  // bytes a second
  // Between two parts of an answer, after which the heartbeat is sent.
  std::chrono::seconds heartbeat{15};
  // At once; further ones wait to be accepted.
  size_t connections = 20'000;
};

class HttpServer {
 public:
  struct Options {
    std::string address;  // HOST:PORT, a name or an address for HOST; port 0 picks a free one
    int threads = 2;
    HttpLimits limits;
    // Origins of pages that may read answers ("https://studio.example"); "*": any.
    std::vector<std::string> cors_origins;
    HttpTls tls = {};
    // What runs what writers of parts are to be told (`sent` of Exchange::Send), all of a moment together.
    // Called on the server's threads, which by default do it themselves.
    EndOfTurn::Run run_sent = [](const std::function<void()>& work) { work(); };
  };

  // `router` must outlive the server. INVALID_ARGUMENT: not HOST:PORT. UNAVAILABLE: cannot listen there.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options, const Router& router);
  // Closes all connections, whatever is under way on them, and joins. What handlers hold of exchanges is then
  // dead, and may still be used and let go of.
  ~HttpServer();

  // From now on nobody is accepted, and every answer is its connection's last.
  void StopAccepting();
  int port() const;
  // Open connections.
  size_t connections() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_HTTP_SERVER_H_
