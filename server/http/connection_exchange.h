// What the handlers of one request hold of its connection.
#ifndef MIND_SERVER_HTTP_CONNECTION_EXCHANGE_H_
#define MIND_SERVER_HTTP_CONNECTION_EXCHANGE_H_

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/http/connection.h"

namespace mind::server {

// Any thread: all that it is asked for is done on the connection's.
class ConnectionExchange : public Exchange {
 public:
  ConnectionExchange(std::shared_ptr<boost::asio::io_context> io, std::shared_ptr<Connection> connection,
                     uint64_t number, HttpRequest request, std::optional<BodyBudget::Share> body)
      : io_(std::move(io)),
        connection_(std::move(connection)),
        number_(number),
        request_(std::move(request)),
        body_(std::move(body)) {}
  ~ConnectionExchange() override {
    if (!answered_) {
      Post([number = number_, headers = headers()](Connection& c) { c.Abandon(number, headers); });
    }
  }

  const HttpRequest& request() const override { return request_; }
  // The handler has returned: a call may wait for hours, and nobody looks at its body any more.
  void DropBody() {
    request_.body = std::string();
    body_.reset();
  }

  void Answer(HttpResponse response) override {
    answered_ = true;
    AddHeaders(response);
    Post([number = number_, response = std::move(response)](Connection& c) mutable {
      c.Answer(number, std::move(response));
    });
  }
  void Answer(std::function<HttpResponse()> make) override {
    answered_ = true;
    Post([number = number_, make = std::move(make), headers = headers()](Connection& c) {
      HttpResponse response = make();
      response.headers.insert(response.headers.end(), headers.begin(), headers.end());
      c.Answer(number, std::move(response));
    });
  }
  void Begin(HttpResponse head, SharedBytes heartbeat) override {
    AddHeaders(head);
    Post([number = number_, head = std::move(head), heartbeat = std::move(heartbeat)](Connection& c) mutable {
      c.Begin(number, std::move(head), std::move(heartbeat));
    });
  }
  void Send(SharedBytes part, std::function<void()> sent) override {
    Post([number = number_, part = std::move(part), sent = std::move(sent)](Connection& c) mutable {
      c.Send(number, std::move(part), std::move(sent));
    });
  }
  void Send(std::function<SharedBytes()> make, std::function<void()> sent) override {
    Post([number = number_, make = std::move(make), sent = std::move(sent)](Connection& c) mutable {
      c.Send(number, make(), std::move(sent));
    });
  }
  void End() override {
    answered_ = true;
    Post([number = number_](Connection& c) { c.End(number); });
  }
  void OnGone(std::function<void()> gone) override {
    Post([number = number_, gone = std::move(gone)](Connection& c) mutable {
      c.OnGone(number, std::move(gone));
    });
  }

 private:
  void AddHeaders(HttpResponse& response) const {
    response.headers.insert(response.headers.end(), headers().begin(), headers().end());
  }
  template <typename Work>
  void Post(Work work) {
    boost::asio::post(*io_,
                      [connection = connection_, work = std::move(work)]() mutable { work(*connection); });
  }

  const std::shared_ptr<boost::asio::io_context>
      io_;  // before the connection, whose socket must not outlive it
  const std::shared_ptr<Connection> connection_;
  const uint64_t number_;
  HttpRequest request_;                    // nothing of it changes, but for DropBody
  std::optional<BodyBudget::Share> body_;  // for as long as that is in memory
  std::atomic<bool> answered_ = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_CONNECTION_EXCHANGE_H_
