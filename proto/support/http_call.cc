#include "proto/support/http_call.h"

#include <openssl/ssl.h>

#include <boost/asio/ssl/host_name_verification.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mind {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr uint32_t kMostHeader = 16 << 10;

}  // namespace

HttpCall::Request RequestTo(const WebUrl& url, http::verb verb, std::string body) {
  HttpCall::Request request(verb, url.target, 11);
  request.set(http::field::host, url.Authority());
  request.set(http::field::user_agent, "Mind-Diffusion/" MIND_VERSION);
  request.set(http::field::connection, "close");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

void HttpCall::Start(asio::io_context& io, asio::ssl::context& tls, const WebUrl& url, Request request,
                     const Options& options, Done done) {
  const std::shared_ptr<HttpCall> call(
      new HttpCall(io, tls, url, std::move(request), options, std::move(done)));
  call->Resolve();
}

HttpCall::HttpCall(asio::io_context& io, asio::ssl::context& tls, WebUrl url, Request request,
                   const Options& options, Done done)
    : url_(std::move(url)),
      options_(options),
      done_(std::move(done)),
      request_(std::move(request)),
      timer_(io),
      resolver_(io),
      stream_(io, tls) {
  answer_.header_limit(kMostHeader);
  // A HEAD's answer says how long the body would be.
  if (request_.method() == http::verb::head || options.most == 0) {
    answer_.skip(true);
    answer_.body_limit(boost::none);
  } else {
    answer_.body_limit(options.most);
  }
}

void HttpCall::Finish(absl::StatusOr<Answer> answer) {
  if (done_ == nullptr) return;
  timer_.cancel();
  std::exchange(done_, nullptr)(std::move(answer));
}

template <typename Step>
auto HttpCall::Then(const char* doing, Step step) {
  return [self = shared_from_this(), doing, step = std::move(step)](const Error& error, const auto&...) {
    // Even where there is no error: a host that is being resolved cannot be stopped from being found.
    if (self->late_) return self->Finish(absl::DeadlineExceededError(absl::StrCat(doing, ": took too long")));
    if (!error) return step(*self);
    const std::string text = absl::StrCat(doing, ": ", error.message());
    self->Finish(error == http::error::body_limit ? absl::ResourceExhaustedError(text)
                                                  : absl::UnavailableError(text));
  };
}

template <typename Operation>
void HttpCall::OnStream(const Operation& operation) {
  url_.tls ? operation(stream_) : operation(stream_.next_layer());
}

void HttpCall::Resolve() {
  timer_.expires_after(absl::ToChronoNanoseconds(options_.limit));
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    // Whatever is under way ends with an error.
    self->late_ = true;
    self->resolver_.cancel();
    self->stream_.next_layer().close();
  });
  resolver_.async_resolve(
      url_.host, url_.port, [self = shared_from_this()](const Error& error, const Results& addresses) {
        self->Then("resolving the host", [&addresses](HttpCall& call) { call.Connect(addresses); })(error);
      });
}

void HttpCall::Connect(const Results& addresses) {
  stream_.next_layer().async_connect(
      addresses, Then("connecting", [](HttpCall& self) { self.url_.tls ? self.Handshake() : self.Write(); }));
}

void HttpCall::Handshake() {
  // Names are told in the clear, so that one address may serve several; addresses are not.
  if (!absl::StrContains(url_.host, ':')) {
    SSL_set_tlsext_host_name(stream_.native_handle(), url_.host.c_str());
  }
  stream_.set_verify_callback(asio::ssl::host_name_verification(url_.host));
  stream_.async_handshake(asio::ssl::stream_base::client,
                          Then("securing the connection", [](HttpCall& self) { self.Write(); }));
}

void HttpCall::Write() {
  OnStream([this](auto& stream) {
    http::async_write(stream, request_, Then("sending", [](HttpCall& self) { self.ReadHeader(); }));
  });
}

void HttpCall::ReadHeader() {
  OnStream([this](auto& stream) {
    http::async_read_header(stream, buffer_, answer_, Then("reading the answer", [](HttpCall& self) {
                              if (self.answer_.is_done() || self.options_.most == 0) {
                                return self.Finish(self.answer_.release());
                              }
                              self.ReadBody();
                            }));
  });
}

void HttpCall::ReadBody() {
  OnStream([this](auto& stream) {
    http::async_read(stream, buffer_, answer_,
                     Then("reading the answer", [](HttpCall& self) { self.Finish(self.answer_.release()); }));
  });
}

}  // namespace mind
