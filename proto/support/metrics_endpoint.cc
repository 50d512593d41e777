#include "proto/support/metrics_endpoint.h"

#include <prometheus/text_serializer.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <thread>
#include <utility>  // asio's awaitable header forgets it

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mind {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::chrono::seconds kTimeout{10};
constexpr uint64_t kMaxHeaderBytes = 8192;
// Connections at once; further ones wait to be accepted.
constexpr int kMaxConnections = 32;
// Before the next try where accepting fails: no descriptors are left, perhaps.
constexpr std::chrono::milliseconds kAcceptPause{200};

// "/metrics?name[]=x" asks for /metrics.
bool AsksForMetrics(const http::request<http::empty_body>& request) {
  const std::string target(request.target());
  return request.method() == http::verb::get && target.substr(0, target.find('?')) == "/metrics";
}

// One request, one answer, then the connection is closed. Keeps itself alive while something is under way.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // `closed` is run when it is over.
  Session(tcp::socket socket, std::shared_ptr<prometheus::Collectable> source, std::function<void()> closed)
      : stream_(std::move(socket)), source_(std::move(source)), closed_(std::move(closed)) {
    parser_.header_limit(kMaxHeaderBytes);
    parser_.body_limit(0);
  }
  ~Session() { closed_(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Run() {
    stream_.expires_after(kTimeout);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](beast::error_code error, size_t) {
      if (!error) self->Answer();
    });
  }

 private:
  void Fill() {
    response_.set(http::field::content_type, "text/plain");
    if (!AsksForMetrics(parser_.get())) {
      response_.result(http::status::not_found);
      response_.body() = "only GET /metrics\n";
      return;
    }
    try {
      response_.body() = prometheus::TextSerializer().Serialize(source_->Collect());
      response_.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
      response_.result(http::status::ok);
    } catch (const std::exception& e) {
      response_.result(http::status::internal_server_error);
      response_.body() = absl::StrCat("cannot collect the metrics: ", e.what(), "\n");
    }
  }

  void Answer() {
    Fill();
    response_.keep_alive(false);
    response_.set(http::field::date,
                  absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()));
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
  std::shared_ptr<prometheus::Collectable> source_;
  std::function<void()> closed_;
};

}  // namespace

class MetricsEndpoint::Server {
 public:
  // Throws boost::system::system_error.
  Server(const std::string& host, uint16_t port, std::shared_ptr<prometheus::Collectable> source)
      : source_(std::move(source)), acceptor_(io_), pause_(io_) {
    const tcp::endpoint endpoint = Resolve(host, port);
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
    closing_ = true;
  }

  int port() const { return port_; }

 private:
  // An IPv4 address, where the name has one: what "localhost" is taken to mean.
  tcp::endpoint Resolve(const std::string& host, uint16_t port) {
    const auto found = tcp::resolver(io_).resolve(host, std::to_string(port));
    for (const auto& entry : found) {
      if (entry.endpoint().address().is_v4()) return entry.endpoint();
    }
    return found.begin()->endpoint();
  }

  void Accept() {
    if (closing_ || accepting_ || connections_ >= kMaxConnections) return;
    accepting_ = true;
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      accepting_ = false;
      if (error) return AcceptLater();
      ++connections_;
      const auto closed = [this] {
        --connections_;
        Accept();
      };
      std::make_shared<Session>(std::move(socket), source_, closed)->Run();
      Accept();
    });
  }

  void AcceptLater() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](beast::error_code) { Accept(); });
  }

  std::shared_ptr<prometheus::Collectable> source_;
  // Of the thread that runs io_. Before it: sessions that are left end with it.
  int connections_ = 0;
  bool accepting_ = false;
  bool closing_ = false;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  int port_ = 0;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Create(
    const std::string& address, std::shared_ptr<prometheus::Collectable> source) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host.empty()) return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  try {
    return std::unique_ptr<MetricsEndpoint>(
        new MetricsEndpoint(std::make_unique<Server>(host, static_cast<uint16_t>(port), std::move(source))));
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
