// One POST to a webhook's URL, over http or https.
#ifndef MIND_SERVER_WEBHOOKS_WEBHOOK_ATTEMPT_H_
#define MIND_SERVER_WEBHOOKS_WEBHOOK_ATTEMPT_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "server/generation/webhook.h"

namespace mind::server {

// Follows no redirects and keeps nothing of what is answered but its status. All on the thread of its
// io_context.
class WebhookAttempt : public std::enable_shared_from_this<WebhookAttempt> {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  // Empty: it was answered with success. Else what went wrong.
  using Done = std::function<void(const std::string& problem)>;

  // `done` is called once, unless the io_context is stopped. Both contexts must outlive it.
  static void Start(boost::asio::io_context& io, boost::asio::ssl::context& tls, const WebUrl& url,
                    Request request, absl::Duration limit, Done done);

 private:
  using Error = boost::beast::error_code;
  using Results = boost::asio::ip::tcp::resolver::results_type;

  WebhookAttempt(boost::asio::io_context& io, boost::asio::ssl::context& tls, WebUrl url, Request request,
                 absl::Duration limit, Done done);

  void Resolve();
  void Connect(const Results& addresses);
  void Handshake();
  void Write();
  void Read();
  // What to do next where the step before has gone well.
  template <typename Step>
  auto Then(const char* doing, Step step);
  // Runs an operation on the stream that the URL's scheme means.
  template <typename Operation>
  void OnStream(const Operation& operation);

  const WebUrl url_;
  const absl::Duration limit_;
  const Done done_;
  Request request_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::beast::ssl_stream<boost::beast::tcp_stream> stream_;  // only what is under it, where the URL is http
  boost::beast::flat_buffer buffer_;
  boost::beast::http::response_parser<boost::beast::http::empty_body> answer_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_WEBHOOKS_WEBHOOK_ATTEMPT_H_
