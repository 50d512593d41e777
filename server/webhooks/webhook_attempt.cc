#include "server/webhooks/webhook_attempt.h"

#include <openssl/ssl.h>

#include <boost/asio/ssl/host_name_verification.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mind::server {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr uint32_t kMostHeader = 16 << 10;

}  // namespace

void WebhookAttempt::Start(asio::io_context& io, asio::ssl::context& tls, const WebUrl& url, Request request,
                           absl::Duration limit, Done done) {
  const std::shared_ptr<WebhookAttempt> attempt(
      new WebhookAttempt(io, tls, url, std::move(request), limit, std::move(done)));
  attempt->Resolve();
}

WebhookAttempt::WebhookAttempt(asio::io_context& io, asio::ssl::context& tls, WebUrl url, Request request,
                               absl::Duration limit, Done done)
    : url_(std::move(url)),
      limit_(limit),
      done_(std::move(done)),
      request_(std::move(request)),
      resolver_(io),
      stream_(io, tls) {
  answer_.header_limit(kMostHeader);
}

template <typename Step>
auto WebhookAttempt::Then(const char* doing, Step step) {
  return [self = shared_from_this(), doing, step = std::move(step)](const Error& error, const auto&...) {
    if (error) return self->done_(absl::StrCat(doing, ": ", error.message()));
    step(*self);
  };
}

template <typename Operation>
void WebhookAttempt::OnStream(const Operation& operation) {
  url_.tls ? operation(stream_) : operation(stream_.next_layer());
}

void WebhookAttempt::Resolve() {
  resolver_.async_resolve(
      url_.host, url_.port, [self = shared_from_this()](const Error& error, const Results& addresses) {
        error ? self->done_(absl::StrCat("resolving the host: ", error.message())) : self->Connect(addresses);
      });
}

void WebhookAttempt::Connect(const Results& addresses) {
  // Of all that follows.
  stream_.next_layer().expires_after(absl::ToChronoNanoseconds(limit_));
  stream_.next_layer().async_connect(addresses, Then("connecting", [](WebhookAttempt& self) {
                                       self.url_.tls ? self.Handshake() : self.Write();
                                     }));
}

void WebhookAttempt::Handshake() {
  // Names are told in the clear, so that one address may serve several; addresses are not.
  if (!absl::StrContains(url_.host, ':')) {
    SSL_set_tlsext_host_name(stream_.native_handle(), url_.host.c_str());
  }
  stream_.set_verify_callback(asio::ssl::host_name_verification(url_.host));
  stream_.async_handshake(asio::ssl::stream_base::client,
                          Then("securing the connection", [](WebhookAttempt& self) { self.Write(); }));
}

void WebhookAttempt::Write() {
  OnStream([this](auto& stream) {
    beast::http::async_write(stream, request_, Then("sending", [](WebhookAttempt& self) { self.Read(); }));
  });
}

void WebhookAttempt::Read() {
  OnStream([this](auto& stream) {
    beast::http::async_read_header(
        stream, buffer_, answer_, Then("reading the answer", [](WebhookAttempt& self) {
          const unsigned status = self.answer_.get().result_int();
          self.done_(status / 100 == 2 ? "" : absl::StrCat("answered with ", status));
        }));
  });
}

}  // namespace mind::server
