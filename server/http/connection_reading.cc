// How a connection reads requests, and has them handled.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/http/connection.h"
#include "server/http/connection_exchange.h"
#include "server/http/target.h"

namespace mind::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

// Of a next request, while one is answered.
constexpr size_t kReadAhead = 512;
// Probes of platforms have no certificate.
constexpr char kHealth[] = "/v2/health/";

bool IsToken(absl::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

}  // namespace

void Connection::Run() {
  if (!stream_.encrypted()) return ReadHeader(context_->limits.header_time);
  stream_.expires_after(context_->limits.header_time);
  stream_.async_handshake(boost::asio::ssl::stream_base::server,
                          [self = shared_from_this()](Error error) { self->OnHandshake(error); });
}

void Connection::OnHandshake(Error error) {
  if (!error) return ReadHeader(context_->limits.header_time);
  const bool by_tls = error.category() == asio::error::get_ssl_category();
  // Who has only looked whether somebody listens is nobody to speak of.
  if (by_tls) {
    context_->tls.Refused(absl::UnauthenticatedError(absl::StrCat("TLS over HTTP: ", error.message())));
  }
  if (!by_tls || ERR_GET_REASON(static_cast<unsigned long>(error.value())) != SSL_R_HTTP_REQUEST)
    return Close();
  static constexpr char kAnswer[] =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
      "40\r\n\r\n"
      "this port speaks https: use https://...\n";
  asio::async_write(stream_.tcp(), asio::buffer(kAnswer, sizeof kAnswer - 1),
                    [self = shared_from_this()](Error, size_t) { self->Close(); });
}

void Connection::ReadHeader(std::chrono::seconds within) {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(context_->limits.header_bytes));
  parser_->body_limit(context_->limits.body_bytes);
  stream_.expires_after(within);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](Error error, size_t) { self->OnHeader(error); });
}

void Connection::OnHeader(Error error) {
  if (error) {
    if (parser_->got_some()) TakeFields();
    return Refuse(error);
  }
  if (!TakeHeader()) return;
  // What nobody will look at is not read: its caller is refused by what the header says.
  if (!parser_->is_done() && !context_->router.MayAsk(request_)) {
    keep_alive_ = false;
    refused_ = true;
    return Handle();
  }
  if (parser_->get()[http::field::expect] != "100-continue") return ReadBody();
  static const SharedBytes* const go_on =
      new SharedBytes(std::make_shared<const std::string>("HTTP/1.1 100 Continue\r\n\r\n"));
  Write(*go_on, [self = shared_from_this()] { self->ReadBody(); });
}

void Connection::ReadBody() {
  stream_.expires_after(TimeFor(parser_->content_length().value_or(context_->limits.body_bytes)));
  body_.emplace(context_->bodies);
  ReadBodyPart();
}

void Connection::ReadBodyPart() {
  if (parser_->is_done()) return OnRequest({});
  http::async_read_some(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, size_t) {
    if (error) return self->OnRequest(error);
    if (self->body_->Grow(self->parser_->get().body().size())) return self->ReadBodyPart();
    self->RefuseWith(503, "too_many_bodies",
                     absl::StrCat("requests that are being read take as much memory as they may, ",
                                  self->context_->bodies.most(), " bytes; try again in a moment"));
  });
}

void Connection::Refuse(Error error) {
  if (error == http::error::header_limit) {
    return RefuseWith(431, "header_too_large",
                      absl::StrCat("a request's header may have ", context_->limits.header_bytes, " bytes"));
  }
  if (error == http::error::body_limit) {
    return RefuseWith(413, "body_too_large",
                      absl::StrCat("a request's body may have ", context_->limits.body_bytes, " bytes"));
  }
  if (error.category() == http::make_error_code(http::error::bad_value).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return RefuseWith(400, "bad_http", absl::StrCat("this is not HTTP/1.1: ", error.message()));
  }
  Close();
}

void Connection::RefuseWith(int status, const std::string& code, const std::string& message,
                            const HttpHeaders& headers) {
  keep_alive_ = false;
  handling_ = refused_ = true;
  began_ = ending_ = false;
  parser_.reset();  // with what has been read
  body_.reset();
  const nlohmann::json error = {
      {"error",
       {{"message", message}, {"type", "invalid_request_error"}, {"param", nullptr}, {"code", code}}}};
  HttpResponse response = Answered(status, "application/json", error.dump());
  response.headers = headers;
  // Whose key a caller without a good certificate names is not looked at.
  if (!stream_.encrypted() || context_->tls.Check(stream_.ssl()).ok()) {
    const HttpHeaders standing = context_->router.StandingOf(request_);
    response.headers.insert(response.headers.end(), standing.begin(), standing.end());
  }
  if (status == 503) response.headers.emplace_back("retry-after", "1");
  Answer(++exchange_, std::move(response));
}

void Connection::TakeFields() {
  const auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  head_only_ = message.method() == http::verb::head;
  chunked_ = message.version() >= 11;
  HttpRequest& request = request_ = HttpRequest();
  request.method = std::string(message.method_string());
  for (const auto& field : message) {
    std::string& value = request.headers[std::string(field.name_string())];
    absl::StrAppend(&value, value.empty() ? "" : ", ",
                    absl::string_view(field.value().data(), field.value().size()));
  }
  const std::string& given = request.Header("x-request-id");
  request.id = IsToken(given) ? given : absl::StrCat(context_->id_prefix, ++context_->requests);
  request_id_ = request.id;
  origin_.clear();
  for (const std::string& allowed : context_->cors_origins) {
    if (allowed == "*" || allowed == request.Header("origin")) origin_ = allowed;
  }
}

bool Connection::TakeHeader() {
  TakeFields();
  const auto& message = parser_->get();
  HttpRequest& request = request_;
  if (message.version() >= 11 && message.count(http::field::host) != 1) {
    RefuseWith(400, "bad_http", "a request of HTTP/1.1 has one Host");
    return false;
  }
  const beast::string_view target = message.target();
  if (!ParseTarget({target.data(), target.size()}, request)) {
    RefuseWith(400, "bad_target", "the request's target is not a path");
    return false;
  }
  if (stream_.encrypted() && !absl::StartsWith(request.path, kHealth)) {
    if (const absl::Status refused = context_->tls.Check(stream_.ssl()); !refused.ok()) {
      context_->tls.Refused(refused);
      RefuseWith(401, "client_certificate_refused", std::string(refused.message()));
      return false;
    }
  }
  request.encrypted = stream_.encrypted();
  Error gone;
  const asio::ip::tcp::endpoint peer = stream_.socket().remote_endpoint(gone);
  if (!gone) request.peer = peer.address().to_string();
  return true;
}

void Connection::OnRequest(Error error) {
  if (error) return Refuse(error);
  request_.body = std::move(parser_->get().body());
  parser_.reset();
  if (buffer_.capacity() > kKeptBuffer && buffer_.size() == 0) buffer_ = beast::flat_buffer();
  Handle();
}

void Connection::Handle() {
  const std::shared_ptr<asio::io_context> io = io_.lock();
  if (io == nullptr) return;  // the server is gone
  ++exchange_;
  handling_ = true;
  began_ = ending_ = gone_ = false;
  on_gone_ = nullptr;
  stream_.expires_never();
  if (!refused_) WatchForEnd();
  const auto exchange = std::make_shared<ConnectionExchange>(io, shared_from_this(), exchange_,
                                                             std::exchange(request_, HttpRequest()),
                                                             std::exchange(body_, std::nullopt));
  context_->router.Dispatch(exchange);
  exchange->DropBody();
}

void Connection::WatchForEnd() {
  if (buffer_.size() > 0) return;  // the next request is here already
  if (stream_.encrypted()) return ReadAhead();
  stream_.socket().async_wait(
      asio::ip::tcp::socket::wait_read, [self = shared_from_this(), exchange = exchange_](Error error) {
        if (!self->handling_ || self->exchange_ != exchange) return;
        Error failed;
        char byte = 0;
        const size_t bytes = error ? 0
                                   : self->stream_.socket().receive(asio::buffer(&byte, 1),
                                                                    asio::socket_base::message_peek, failed);
        // More than nothing is the next request, sent before the answer to this one.
        if (bytes == 0 && failed != asio::error::would_block && failed != asio::error::try_again)
          self->CallerGone();
      });
}

void Connection::ReadAhead() {
  reading_ahead_ = true;
  stream_.async_read_some(
      buffer_.prepare(kReadAhead), [self = shared_from_this()](Error error, size_t bytes) {
        self->reading_ahead_ = false;
        self->buffer_.commit(bytes);
        if (const std::function<void()> then = std::exchange(self->after_reading_ahead_, nullptr))
          return then();
        if (error && self->handling_) self->CallerGone();
      });
}

void Connection::CallerGone() {
  if (gone_) return;
  gone_ = true;
  keep_alive_ = false;
  Close();
  if (!handling_) return;
  handling_ = false;
  next_.reset();
  if (const std::function<void()> tell = std::exchange(on_gone_, nullptr)) tell();
}

}  // namespace mind::server
