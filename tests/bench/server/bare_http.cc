#include "tests/bench/server/bare_http.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.h"

namespace mind::bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Error = beast::error_code;
using Bytes = std::shared_ptr<const std::string>;

constexpr size_t kThreads = 2;  // as mind-server

class Session;

// One a thread, with the sessions on it.
struct Io {
  asio::io_context context{1};
  std::vector<std::shared_ptr<Session>> streams;
};
std::vector<std::unique_ptr<Io>>& Ios() {
  static auto* const ios = new std::vector<std::unique_ptr<Io>>;
  return *ios;
}

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Io& io) : stream_(std::move(socket)), io_(io) {
    stream_.socket().set_option(tcp::no_delay(true));
  }
  void Run() {
    http::async_read(stream_, buffer_, request_, [self = shared_from_this()](Error error, size_t) {
      if (!error) self->OnRequest();
    });
  }
  void Send(const Bytes& bytes) {
    asio::async_write(stream_, http::make_chunk(asio::buffer(*bytes)),
                      [self = shared_from_this(), bytes](Error, size_t) {});
  }

 private:
  void OnRequest() {
    if (request_.method() == http::verb::post) {
      const Bytes body = std::make_shared<const std::string>(request_.body());
      for (const auto& io : Ios()) {
        asio::post(io->context, [&io = *io, body] {
          for (const auto& session : io.streams) session->Send(body);
        });
      }
      return Write("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", false);
    }
    io_.streams.push_back(shared_from_this());
    Write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        "10\r\nevent: queued\n\n\n\r\n",
        true);
  }
  void Write(const std::string& text, bool stays) {
    const Bytes bytes = std::make_shared<const std::string>(text);
    asio::async_write(stream_, asio::buffer(*bytes),
                      [self = shared_from_this(), bytes, stays](Error, size_t) {
                        if (!stays) self->stream_.close();
                      });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  Io& io_;
};

void Accept(tcp::acceptor& acceptor, size_t next) {
  Io& io = *Ios()[next % kThreads];
  const auto socket = std::make_shared<tcp::socket>(io.context);
  acceptor.async_accept(*socket, [&acceptor, &io, socket, next](Error error) {
    if (error) std::_Exit(1);
    asio::post(io.context, [&io, socket] { std::make_shared<Session>(std::move(*socket), io)->Run(); });
    Accept(acceptor, next + 1);
  });
}

}  // namespace

void RunBareHttp() {
  for (size_t i = 0; i < kThreads; ++i) Ios().push_back(std::make_unique<Io>());
  tcp::acceptor acceptor(Ios().front()->context, {asio::ip::address_v4::loopback(), 0});
  acceptor.listen(4096);
  std::printf("bare HTTP listening on port %d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  Accept(acceptor, 0);
  std::vector<std::thread> threads;
  for (const auto& io : Ios()) {
    threads.emplace_back([&io] {
      const auto work = asio::make_work_guard(io->context);
      io->context.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::_Exit(0);
}

}  // namespace mind::bench
