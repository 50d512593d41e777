#include "server/http/http_server.h"

#include <sys/random.h>
#include <sys/resource.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <unordered_set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/support/logging.h"
#include "server/http/connection.h"

namespace mind::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// Before the next try where accepting fails: no descriptors are left, perhaps.
constexpr std::chrono::milliseconds kAcceptPause{200};
// Beside connections: the store's, the log, workers.
constexpr size_t kOtherFiles = 256;

// A connection is an open file. As many as the process may have open; says so where that is too few.
void AllowFilesFor(size_t connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= connections + kOtherFiles) return;
  LogWarning(
      "fewer files may be open than connections are allowed: raise ulimit -n",
      {{"files", limit.rlim_cur}, {"connections", connections}, {"needed", connections + kOtherFiles}});
}

std::string NewIdPrefix() {
  char bytes[4] = {};
  if (getrandom(bytes, sizeof bytes, 0) < 0) bytes[0] = 0;
  return absl::StrCat("req-", absl::BytesToHexString({bytes, sizeof bytes}), "-");
}

struct Address {
  std::string host, port;
};

absl::StatusOr<Address> Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return Address{host, absl::StrCat(port)};
}

}  // namespace

// One io_context a thread: a connection stays on the one it was given, so nothing of it needs a lock.
class HttpServer::Impl {
 public:
  // Throws boost::system::system_error.
  Impl(const Options& options, const Address& address, const Router& router)
      : context_(new HttpContext{.router = router,
                                 .limits = options.limits,
                                 .bodies = BodyBudget(options.limits.bodies_bytes),
                                 .cors_origins = options.cors_origins,
                                 .tls = HttpTlsContexts(options.tls),
                                 .id_prefix = NewIdPrefix()}),
        threads_(MakeThreads(options)),
        acceptor_(*threads_.front().io),
        pause_(*threads_.front().io) {
    const auto found = tcp::resolver(*threads_.front().io).resolve(address.host, address.port);
    tcp::endpoint endpoint = found.begin()->endpoint();
    for (const auto& entry : found) {
      if (entry.endpoint().address().is_v4())
        endpoint = entry.endpoint();  // what "localhost" is taken to mean
    }
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen(4096);
    port_ = acceptor_.local_endpoint().port();
    context_->tls.Current();
    Accept();
    for (Thread& thread : threads_) thread.thread = std::thread([io = thread.io.get()] { io->run(); });
  }

  ~Impl() {
    for (Thread& thread : threads_) thread.io->stop();
    for (Thread& thread : threads_) thread.thread.join();
  }

  void StopAccepting() {
    context_->stopping = true;
    asio::post(*threads_.front().io, [this] { acceptor_.close(); });
  }

  int port() const { return port_; }
  size_t connections() const { return context_->open; }

 private:
  struct Thread {
    explicit Thread(const EndOfTurn::Run& run_sent)
        : end_of_turn(std::make_shared<EndOfTurn>(*io, run_sent)) {}

    // Shared with the exchanges on it, whose sockets must not outlive it.
    std::shared_ptr<asio::io_context> io = std::make_shared<asio::io_context>(1);
    std::shared_ptr<EndOfTurn> end_of_turn;
    asio::executor_work_guard<asio::io_context::executor_type> work{io->get_executor()};
    std::thread thread;
  };

  static std::vector<Thread> MakeThreads(const Options& options) {
    std::vector<Thread> threads;
    for (int i = 0; i < std::max(options.threads, 1); ++i) threads.emplace_back(options.run_sent);
    return threads;
  }

  void Accept() {
    if (context_->open >= context_->limits.connections) return AcceptLater();
    const size_t next = next_++ % threads_.size();
    const auto socket = std::make_shared<tcp::socket>(*threads_[next].io);
    // Does not share in the io_context: that holds this handler, and would then hold itself.
    acceptor_.async_accept(*socket, [this, next, socket](boost::system::error_code error) {
      if (error == asio::error::operation_aborted) return;
      if (error) return AcceptLater();
      const std::shared_ptr<asio::io_context>& io = threads_[next].io;
      const auto connection = std::make_shared<Connection>(std::move(*socket), io, threads_[next].end_of_turn,
                                                           context_, context_->tls.Current());
      asio::post(*io, [connection] { connection->Run(); });
      Accept();
    });
  }

  void AcceptLater() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](boost::system::error_code error) {
      if (!error) Accept();
    });
  }

  const std::shared_ptr<HttpContext> context_;
  std::vector<Thread> threads_;
  size_t next_ = 0;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  int port_ = 0;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options, const Router& router) {
  const absl::StatusOr<Address> address = Split(options.address);
  if (!address.ok()) return address.status();
  AllowFilesFor(options.limits.connections);
  try {
    return std::unique_ptr<HttpServer>(new HttpServer(std::make_unique<Impl>(options, *address, router)));
  } catch (const boost::system::system_error& e) {
    return absl::UnavailableError(absl::StrCat("cannot serve HTTP on ", options.address, ": ", e.what()));
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

void HttpServer::StopAccepting() {
  impl_->StopAccepting();
}

int HttpServer::port() const {
  return impl_->port();
}

size_t HttpServer::connections() const {
  return impl_->connections();
}

}  // namespace mind::server
