// An exchange that remembers its answer.
#ifndef MIND_TESTS_UNIT_HTTP_FAKE_EXCHANGE_H_
#define MIND_TESTS_UNIT_HTTP_FAKE_EXCHANGE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/http/exchange.h"
#include "server/http/target.h"

namespace mind::server {

class FakeExchange : public Exchange {
 public:
  FakeExchange(const std::string& method, const std::string& target, std::string body = "") {
    request_.method = method;
    request_.body = std::move(body);
    ParseTarget(target, request_);
  }

  HttpRequest& mutable_request() { return request_; }
  const HttpRequest& request() const override { return request_; }
  void Answer(HttpResponse response) override { answer = std::move(response); }
  void Answer(std::function<HttpResponse()> make) override { answer = make(); }
  void Begin(HttpResponse head, SharedBytes) override { answer = std::move(head); }
  // Takes each part at once.
  void Send(SharedBytes part, std::function<void()> sent) override {
    parts += *part;
    if (sent) sent();
  }
  void Send(std::function<SharedBytes()> make, std::function<void()> sent) override {
    Send(make(), std::move(sent));
  }
  void End() override { ended = true; }
  void OnGone(std::function<void()> on_gone) override { gone = std::move(on_gone); }

  std::optional<HttpResponse> answer;  // its head, where it comes in parts
  std::string parts;
  bool ended = false;
  std::function<void()> gone;

 private:
  HttpRequest request_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_HTTP_FAKE_EXCHANGE_H_
