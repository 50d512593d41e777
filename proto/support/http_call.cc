#include "proto/support/http_call.h"

#include <openssl/ssl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/http_stream.h"

namespace mind {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr uint32_t kMostHeader = 16 << 10;

using BeastRequest = http::request<http::string_body>;
using BeastAnswer = http::response<http::string_body>;

// With what every request of ours says: whom it is for, who asks, and that nothing follows.
BeastRequest RequestTo(const WebUrl& url, HttpCall::Request given) {
  BeastRequest request;
  request.version(11);
  request.method_string(given.method);
  request.target(url.target);
  request.set(http::field::host, url.Authority());
  request.set(http::field::user_agent, "Mind-Diffusion/" MIND_VERSION);
  request.set(http::field::connection, "close");
  for (const auto& [name, value] : given.fields) request.set(name, value);
  request.body() = std::move(given.body);
  request.prepare_payload();
  return request;
}

HttpCall::Answer AnswerOf(BeastAnswer answer) {
  HttpCall::Answer out{.status = static_cast<int>(answer.result_int())};
  for (const auto& field : answer) out.fields.emplace(field.name_string(), field.value());
  out.body = std::move(answer.body());
  return out;
}

}  // namespace

class HttpCall::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, asio::ssl::context& tls, WebUrl url, Request request, const Options& options,
       Done done)
      : url_(std::move(url)),
        options_(options),
        done_(std::move(done)),
        request_(RequestTo(url_, std::move(request))),
        timer_(io),
        resolver_(io),
        // Not owned: it outlives the call.
        stream_(asio::ip::tcp::socket(io),
                url_.tls ? std::shared_ptr<asio::ssl::context>(std::shared_ptr<void>(), &tls) : nullptr) {
    answer_.header_limit(kMostHeader);
    // A HEAD's answer says how long the body would be.
    if (request_.method() == http::verb::head || options.most == 0) {
      answer_.skip(true);
      answer_.body_limit(boost::none);
    } else {
      answer_.body_limit(options.most);
    }
  }

  void Resolve();

 private:
  using Error = beast::error_code;
  using Results = asio::ip::tcp::resolver::results_type;
  using Parser = http::response_parser<http::string_body>;

  void Finish(absl::StatusOr<Answer> answer) {
    if (done_ == nullptr) return;
    timer_.cancel();
    std::exchange(done_, nullptr)(std::move(answer));
  }

  // What to do next where the step before has gone well.
  template <typename Step>
  auto Then(const char* doing, Step step) {
    return [self = shared_from_this(), doing, step = std::move(step)](const Error& error, const auto&...) {
      // Even where there is no error: a host that is being resolved cannot be stopped from being found.
      if (self->late_)
        return self->Finish(absl::DeadlineExceededError(absl::StrCat(doing, ": took too long")));
      if (!error) return step(*self);
      const std::string text = absl::StrCat(doing, ": ", error.message());
      self->Finish(error == http::error::body_limit ? absl::ResourceExhaustedError(text)
                                                    : absl::UnavailableError(text));
    };
  }

  void Connect(const Results& addresses) {
    stream_.tcp().async_connect(
        addresses, Then("connecting", [](Impl& self) { self.url_.tls ? self.Handshake() : self.Write(); }));
  }

  void Handshake() {
    // Names are told in the clear, so that one address may serve several; addresses are not.
    if (!absl::StrContains(url_.host, ':')) {
      SSL_set_tlsext_host_name(&stream_.ssl(), url_.host.c_str());
    }
    stream_.tls().set_verify_callback(asio::ssl::host_name_verification(url_.host));
    stream_.async_handshake(asio::ssl::stream_base::client,
                            Then("securing the connection", [](Impl& self) { self.Write(); }));
  }

  void Write() {
    http::async_write(stream_, request_, Then("sending", [](Impl& self) { self.ReadHeader(); }));
  }

  void ReadHeader() {
    http::async_read_header(stream_, buffer_, answer_, Then("reading the answer", [](Impl& self) {
                              if (self.answer_.is_done() || self.options_.most == 0) return self.Finish();
                              self.ReadBody();
                            }));
  }

  void ReadBody() {
    http::async_read(stream_, buffer_, answer_,
                     Then("reading the answer", [](Impl& self) { self.Finish(); }));
  }

  void Finish() { Finish(AnswerOf(answer_.release())); }

  const WebUrl url_;
  const Options options_;
  Done done_;  // null once called
  BeastRequest request_;
  bool late_ = false;
  asio::steady_timer timer_;
  asio::ip::tcp::resolver resolver_;
  HttpStream stream_;
  beast::flat_buffer buffer_;
  Parser answer_;
};

void HttpCall::Impl::Resolve() {
  timer_.expires_after(absl::ToChronoNanoseconds(options_.limit));
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    // Whatever is under way ends with an error.
    self->late_ = true;
    self->resolver_.cancel();
    self->stream_.close();
  });
  resolver_.async_resolve(
      url_.host, url_.port, [self = shared_from_this()](const Error& error, const Results& addresses) {
        self->Then("resolving the host", [&addresses](Impl& call) { call.Connect(addresses); })(error);
      });
}

const std::string& HttpCall::Answer::Field(const std::string& name) const {
  static const std::string none;
  const auto found = fields.find(name);
  return found == fields.end() ? none : found->second;
}

void HttpCall::Start(asio::io_context& io, asio::ssl::context& tls, const WebUrl& url, Request request,
                     const Options& options, Done done) {
  std::make_shared<Impl>(io, tls, url, std::move(request), options, std::move(done))->Resolve();
}

}  // namespace mind
