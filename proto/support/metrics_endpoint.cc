#include "proto/support/metrics_endpoint.h"

#include <prometheus/text_serializer.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <thread>
#include <utility>  // asio's awaitable header forgets it

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mind {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::chrono::seconds kTimeout{10};
constexpr uint64_t kMaxHeaderBytes = 8192;

// One request, one answer, then the connection is closed. Keeps itself alive while something is under way.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<prometheus::Registry> registry)
      : stream_(std::move(socket)), registry_(std::move(registry)) {
    parser_.header_limit(kMaxHeaderBytes);
    parser_.body_limit(0);
  }

  void Run() {
    stream_.expires_after(kTimeout);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](beast::error_code error, size_t) {
      if (!error) self->Answer();
    });
  }

 private:
  void Answer() {
    const http::request<http::empty_body>& request = parser_.get();
    const bool known = request.method() == http::verb::get && request.target() == "/metrics";
    response_.result(known ? http::status::ok : http::status::not_found);
    response_.set(http::field::content_type,
                  known ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain");
    response_.body() =
        known ? prometheus::TextSerializer().Serialize(registry_->Collect()) : "only GET /metrics\n";
    response_.keep_alive(false);
    response_.prepare_payload();
    stream_.expires_after(kTimeout);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code, size_t) {
      beast::error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
  std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace

class MetricsEndpoint::Server {
 public:
  // Throws boost::system::system_error.
  Server(const std::string& host, uint16_t port, std::shared_ptr<prometheus::Registry> registry)
      : registry_(std::move(registry)), acceptor_(io_) {
    const tcp::endpoint endpoint(asio::ip::make_address(host), port);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen();
    port_ = acceptor_.local_endpoint().port();
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Server() {
    io_.stop();
    thread_.join();
  }

  int port() const { return port_; }

 private:
  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (!error) std::make_shared<Session>(std::move(socket), registry_)->Run();
      Accept();
    });
  }

  std::shared_ptr<prometheus::Registry> registry_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  int port_ = 0;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Create(
    const std::string& address, std::shared_ptr<prometheus::Registry> registry) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  try {
    return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(
        std::make_unique<Server>(host, static_cast<uint16_t>(port), std::move(registry))));
  } catch (const boost::system::system_error& e) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, ": ", e.what()));
  }
}

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<Server> server) : server_(std::move(server)) {}
MetricsEndpoint::~MetricsEndpoint() = default;

int MetricsEndpoint::port() const {
  return server_->port();
}

}  // namespace mind
