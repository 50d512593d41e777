// The server over real sockets, with a client that sends what it likes.
#ifndef MIND_TESTS_UNIT_HTTP_HTTP_SERVER_RIG_H_
#define MIND_TESTS_UNIT_HTTP_HTTP_SERVER_RIG_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "server/http/http_server.h"
#include "tests/support/everybody.h"

namespace mind::server {

class ClientSocket {
 public:
  explicit ClientSocket(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~ClientSocket() { Close(); }
  ClientSocket(const ClientSocket&) = delete;
  ClientSocket& operator=(const ClientSocket&) = delete;

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Send(const std::string& text) { send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  // Until the text is there, or the other end has closed.
  std::string ReadUntil(const std::string& text) {
    while (read_.find(text) == std::string::npos && ReadSome()) {
    }
    return read_;
  }
  // All there is until the other end closes.
  std::string ReadAll() {
    while (ReadSome()) {
    }
    return read_;
  }
  void Forget() { read_.clear(); }

 private:
  bool ReadSome() {
    char buffer[4096];
    const ssize_t size = recv(fd_, buffer, sizeof buffer, 0);
    if (size > 0) read_.append(buffer, static_cast<size_t>(size));
    return size > 0;
  }

  int fd_;
  std::string read_;
};

class HttpServerRig : public testing::Test {
 protected:
  HttpServerRig() {
    router_.Add("GET", "/hello", [](const ExchangePtr& exchange, const Router::Arguments&) {
      exchange->Answer(Answered(200, "text/plain", "hello"));
    });
    router_.Add("POST", "/echo", [](const ExchangePtr& exchange, const Router::Arguments&) {
      exchange->Answer(Answered(200, "text/plain", exchange->request().body));
    });
    router_.Add("GET", "/forgotten", [](const ExchangePtr&, const Router::Arguments&) {});
    router_.Add("GET", "/held", [this](const ExchangePtr& exchange, const Router::Arguments&) {
      const absl::MutexLock lock(&mutex_);
      held_ = exchange;
    });
    router_.SetNobody("/", [](const ExchangePtr& exchange, const std::string&) {
      exchange->Answer(Answered(404, "text/plain", "nobody"));
    });
  }

  void Start(HttpLimits limits = {}, std::vector<std::string> origins = {}) {
    limits_ = limits;
    auto server = HttpServer::Start(
        {.address = "127.0.0.1:0", .threads = 2, .limits = limits, .cors_origins = std::move(origins)},
        router_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // The answer to one request on a connection of its own.
  std::string Ask(const std::string& request) {
    ClientSocket socket(server_->port());
    socket.Send(request);
    return socket.ReadAll();
  }

  ExchangePtr AwaitHeld() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](ExchangePtr* held) { return *held != nullptr; }, &held_));
    return std::move(held_);
  }

  Everybody everybody_;
  Router router_{everybody_};
  HttpLimits limits_;
  absl::Mutex mutex_;
  ExchangePtr held_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_HTTP_HTTP_SERVER_RIG_H_
