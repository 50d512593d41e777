// One request and the answer to it.
#ifndef MIND_SERVER_HTTP_EXCHANGE_H_
#define MIND_SERVER_HTTP_EXCHANGE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/http/message.h"
#include "server/trust/caller.h"

namespace mind::server {

// Handlers get it on one of the server's threads, which they must not block, and answer from any thread, now
// or later: either Answer once, or Begin, any number of Sends, and End. What comes after the caller has gone
// is dropped. An exchange that is let go of without an answer is answered with 500.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Its body is there until the handler returns, and no longer.
  virtual const HttpRequest& request() const = 0;

  // Who asks; set before a handler gets it.
  const Caller& caller() const { return caller_; }
  // Of what he asks, the name in the table of access (server/trust/access.h).
  const std::string& route() const { return route_; }
  void set_caller(Caller caller, std::string route) {
    caller_ = std::move(caller);
    route_ = std::move(route);
  }
  // Go with the answer, whatever it is; set before it is given.
  const HttpHeaders& headers() const { return headers_; }
  void AddHeader(std::string name, std::string value) {
    headers_.emplace_back(std::move(name), std::move(value));
  }

  virtual void Answer(HttpResponse response) = 0;
  // The same, and Send below, with what is made on the connection's thread: what takes time in proportion to
  // its size is not the caller's to do, who may be the server's loop.
  virtual void Answer(std::function<HttpResponse()> make) = 0;

  // The answer's body comes in parts. While nothing is sent for a while, `heartbeat` is, if given: so that
  // who is in between keeps the connection, and a caller who has gone is noticed.
  virtual void Begin(HttpResponse head, SharedBytes heartbeat) = 0;
  // `sent` is called, where the server's options say, when the next part may be sent: no sooner than the
  // caller takes them. Not at all if the caller has gone. REQUIRES: the part before has been sent.
  virtual void Send(SharedBytes part, std::function<void()> sent) = 0;
  virtual void Send(std::function<SharedBytes()> make, std::function<void()> sent) = 0;
  virtual void End() = 0;

  // `gone` is called at most once, on one of the server's threads: the caller has gone before the end of the
  // answer.
  virtual void OnGone(std::function<void()> gone) = 0;

 private:
  Caller caller_;
  std::string route_;
  HttpHeaders headers_;
};

using ExchangePtr = std::shared_ptr<Exchange>;

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_EXCHANGE_H_
