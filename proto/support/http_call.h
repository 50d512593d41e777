// One request over http or https, and what is answered.
#ifndef MIND_PROTO_SUPPORT_HTTP_CALL_H_
#define MIND_PROTO_SUPPORT_HTTP_CALL_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/support/web_url.h"

namespace mind {

// Follows no redirects; the connection is for this request alone. All on the thread of its io_context.
class HttpCall : public std::enable_shared_from_this<HttpCall> {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  using Answer = boost::beast::http::response<boost::beast::http::string_body>;
  // UNAVAILABLE, DEADLINE_EXCEEDED: there was no answer, and what came of the request is not known.
  // RESOURCE_EXHAUSTED: the answer is larger than is allowed.
  using Done = std::function<void(absl::StatusOr<Answer>)>;
  struct Options {
    absl::Duration limit = absl::Seconds(15);  // of all of it
    // Bytes of the answer that are read; 0: none, its status and header fields are all that is asked for.
    uint64_t most = 0;
  };

  // `done` is called once, unless the io_context is stopped. Both contexts must outlive it. The request has
  // all its header fields (RequestTo).
  static void Start(boost::asio::io_context& io, boost::asio::ssl::context& tls, const WebUrl& url,
                    Request request, const Options& options, Done done);

 private:
  using Error = boost::beast::error_code;
  using Results = boost::asio::ip::tcp::resolver::results_type;
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;

  HttpCall(boost::asio::io_context& io, boost::asio::ssl::context& tls, WebUrl url, Request request,
           const Options& options, Done done);

  void Resolve();
  void Connect(const Results& addresses);
  void Handshake();
  void Write();
  void ReadHeader();
  void ReadBody();
  void Finish(absl::StatusOr<Answer> answer);
  // What to do next where the step before has gone well.
  template <typename Step>
  auto Then(const char* doing, Step step);
  // Runs an operation on the stream that the URL's scheme means.
  template <typename Operation>
  void OnStream(const Operation& operation);

  const WebUrl url_;
  const Options options_;
  Done done_;  // null once called
  Request request_;
  bool late_ = false;
  boost::asio::steady_timer timer_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::beast::ssl_stream<boost::beast::tcp_stream> stream_;  // only what is under it, where the URL is http
  boost::beast::flat_buffer buffer_;
  Parser answer_;
};

// With what every request of ours says: whom it is for, who asks, and that nothing follows.
HttpCall::Request RequestTo(const WebUrl& url, boost::beast::http::verb verb, std::string body);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_HTTP_CALL_H_
