#include "server/http/connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffer_traits.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/http/target.h"

namespace mind::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

// A buffer larger than this is given back between requests.
constexpr size_t kKeptBuffer = 4096;
// What a refused caller may still send, and for how long it may send nothing.
constexpr uint64_t kMostLingered = 64 << 20;
constexpr std::chrono::seconds kLinger{2};
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

// What handlers hold. Any thread.
class Connection::ConnectionExchange : public Exchange {
 public:
  ConnectionExchange(std::shared_ptr<asio::io_context> io, std::shared_ptr<Connection> connection,
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
    asio::post(*io_, [connection = connection_, work = std::move(work)]() mutable { work(*connection); });
  }

  const std::shared_ptr<asio::io_context> io_;  // before the connection, whose socket must not outlive it
  const std::shared_ptr<Connection> connection_;
  const uint64_t number_;
  HttpRequest request_;                    // nothing of it changes, but for DropBody
  std::optional<BodyBudget::Share> body_;  // for as long as that is in memory
  std::atomic<bool> answered_ = false;
};

Connection::Connection(asio::ip::tcp::socket socket, std::weak_ptr<asio::io_context> io,
                       std::shared_ptr<EndOfTurn> end_of_turn, std::shared_ptr<HttpContext> context,
                       std::shared_ptr<asio::ssl::context> tls)
    : context_(std::move(context)),
      io_(std::move(io)),
      end_of_turn_(std::move(end_of_turn)),
      stream_(std::move(socket), std::move(tls)),
      beat_(stream_.get_executor()) {
  ++context_->open;
  Error ignored;
  stream_.socket().non_blocking(true, ignored);
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

Connection::~Connection() {
  --context_->open;
}

void Connection::Close() {
  Error ignored;
  beat_.cancel();
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
}

// --- Reading.

void Connection::Run() {
  if (!stream_.encrypted()) return ReadHeader(context_->limits.header_time);
  stream_.expires_after(context_->limits.header_time);
  stream_.async_handshake([self = shared_from_this()](Error error) { self->OnHandshake(error); });
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

// --- Answering.

void Connection::OnGone(uint64_t exchange, std::function<void()> gone) {
  if (exchange != exchange_) return;
  if (gone_) return gone();
  if (handling_) on_gone_ = std::move(gone);
}

void Connection::Abandon(uint64_t exchange, const HttpHeaders& headers) {
  if (exchange != exchange_ || !handling_) return;
  if (began_) return CallerGone();  // all that is left to say is that it does not end well
  RefuseWith(500, "no_answer", "the server has not answered", headers);
}

template <typename Response>
void Connection::SetHeaders(const HttpResponse& from, Response& response) const {
  response.version(11);
  response.result(static_cast<unsigned>(from.status));
  if (!from.content_type.empty()) response.set(http::field::content_type, from.content_type);
  for (const auto& [name, value] : from.headers) response.set(name, value);
  if (!request_id_.empty()) response.set("x-request-id", request_id_);
  if (!origin_.empty()) {
    response.set(http::field::access_control_allow_origin, origin_);
    response.set(http::field::vary, "Origin");
    response.set(http::field::access_control_expose_headers,
                 "x-request-id, retry-after, retry-after-ms, location, etag, x-ratelimit-limit-requests, "
                 "x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-seconds, "
                 "x-ratelimit-remaining-seconds, x-ratelimit-reset-seconds");
    response.set(http::field::access_control_allow_headers,
                 "authorization, content-type, idempotency-key, last-event-id, mind-tenant");
    response.set(http::field::access_control_allow_methods, "GET, HEAD, POST, DELETE, OPTIONS");
  }
  response.keep_alive(keep_alive_ && !context_->stopping);
}

void Connection::Answer(uint64_t exchange, HttpResponse response) {
  if (exchange != exchange_ || !handling_ || began_) return;
  static const SharedBytes* const nothing = new SharedBytes(std::make_shared<const std::string>());
  const SharedBytes body = response.body != nullptr ? response.body : *nothing;
  auto whole = std::make_shared<Whole>();
  SetHeaders(response, *whole);
  if (response.status != 204 && response.status != 304) whole->content_length(body->size());
  if (!head_only_) whole->body() = beast::span<const char>(body->data(), body->size());
  began_ = ending_ = writing_ = true;
  stream_.expires_after(TimeFor(body->size()));
  http::async_write(stream_, *whole, [self = shared_from_this(), whole, body](Error error, size_t) {
    self->writing_ = false;
    if (error) return self->CallerGone();
    self->OnAnswered();
  });
}

void Connection::Begin(uint64_t exchange, HttpResponse response, SharedBytes heartbeat) {
  if (exchange != exchange_ || !handling_ || began_) return;
  began_ = writing_ = true;
  heartbeat_ = std::move(heartbeat);
  auto head = std::make_shared<Head>();
  if (!chunked_) keep_alive_ = false;  // it ends where the connection does
  SetHeaders(response, *head);
  if (chunked_) head->chunked(true);
  auto serializer = std::make_shared<http::response_serializer<http::empty_body>>(*head);
  stream_.expires_after(TimeFor(0));
  http::async_write_header(stream_, *serializer,
                           [self = shared_from_this(), head, serializer](Error error, size_t) {
                             self->writing_ = false;
                             if (error) return self->CallerGone();
                             self->WriteNext();
                           });
}

void Connection::Send(uint64_t exchange, SharedBytes part, std::function<void()> sent) {
  if (exchange != exchange_ || !handling_ || !began_ || ending_) return;
  next_ = Part{std::move(part), std::move(sent)};
  if (!writing_) WriteNext();
}

void Connection::End(uint64_t exchange) {
  if (exchange != exchange_ || !handling_ || !began_ || ending_) return;
  ending_ = true;
  if (!writing_) WriteNext();
}

void Connection::WriteNext() {
  if (gone_) return;
  if (next_ && !head_only_) {
    Part part = *std::exchange(next_, std::nullopt);
    return Write(std::move(part.bytes), [this, sent = std::move(part.sent)]() mutable {
      if (sent) end_of_turn_->Do(std::move(sent));
    });
  }
  if (!ending_) return WaitToBeat();
  if (!chunked_ || head_only_) return OnAnswered();
  writing_ = true;
  stream_.expires_after(TimeFor(0));
  asio::async_write(stream_, http::make_chunk_last(), [self = shared_from_this()](Error error, size_t) {
    self->writing_ = false;
    if (error) return self->CallerGone();
    self->OnAnswered();
  });
}

void Connection::Write(SharedBytes bytes, std::function<void()> written) {
  writing_ = true;
  auto done = [self = shared_from_this(), bytes, written = std::move(written)](Error error, size_t) {
    self->writing_ = false;
    if (error) return self->CallerGone();
    if (self->handling_) self->stream_.expires_never();
    if (written) written();
    if (self->handling_ && !self->writing_) self->WriteNext();
  };
  if (handling_ && chunked_) {
    WriteAll(http::make_chunk(asio::buffer(*bytes)), bytes->size(), std::move(done));
  } else {
    WriteAll(asio::const_buffers_1(asio::buffer(*bytes)), bytes->size(), std::move(done));
  }
}

// Most parts fit what the system takes at once: then no timer is set, and nothing waited for. With many
// streams that is most of what a part costs.
template <typename Buffers, typename Done>
void Connection::WriteAll(const Buffers& buffers, size_t size, Done done) {
  Error error;
  if (stream_.encrypted()) {
    stream_.expires_after(TimeFor(size));
    return asio::async_write(stream_, buffers, std::move(done));
  }
  const size_t taken = stream_.socket().write_some(buffers, error);
  if (error == asio::error::would_block || error == asio::error::try_again) error = {};
  if (error || taken == beast::buffer_bytes(buffers)) return done(error, taken);
  beast::buffers_suffix<Buffers> rest(buffers);
  rest.consume(taken);
  stream_.expires_after(TimeFor(size));
  asio::async_write(stream_, rest, std::move(done));
}

void Connection::WaitToBeat() {
  stream_.expires_never();
  quiet_since_ = std::chrono::steady_clock::now();
  if (heartbeat_ != nullptr && !waits_to_beat_) AwaitBeat();
}

// One wait goes on over many parts, and looks at its end how long nothing was sent.
void Connection::AwaitBeat() {
  waits_to_beat_ = true;
  beat_.expires_at(quiet_since_ + context_->limits.heartbeat);
  beat_.async_wait([self = shared_from_this(), exchange = exchange_](Error error) {
    if (error || self->exchange_ != exchange || !self->handling_) return;
    self->waits_to_beat_ = false;
    if (self->writing_) return;  // what is written then waits again
    if (std::chrono::steady_clock::now() < self->quiet_since_ + self->context_->limits.heartbeat)
      return self->AwaitBeat();
    self->Write(self->heartbeat_, nullptr);
  });
}

void Connection::OnAnswered() {
  handling_ = false;
  on_gone_ = nullptr;
  heartbeat_.reset();
  waits_to_beat_ = false;
  beat_.cancel();
  Error ignored;
  stream_.socket().cancel(ignored);  // the watch for the caller's end
  if (!reading_ahead_) return GoOn();
  after_reading_ahead_ = [this] { GoOn(); };
}

void Connection::GoOn() {
  if (refused_) linger_until_ = std::chrono::steady_clock::now() + context_->limits.transfer_time;
  if (refused_ && !stream_.encrypted()) return Linger();
  if (refused_ || !keep_alive_ || context_->stopping) return Leave();
  ReadHeader(buffer_.size() > 0 ? context_->limits.header_time : context_->limits.idle_time);
}

void Connection::Leave() {
  if (!stream_.encrypted()) return Close();
  stream_.expires_after(kLinger);
  // Who still sends has not read what has been said, and does not say the same.
  stream_.async_shutdown(
      [self = shared_from_this()](Error error) { error && self->refused_ ? self->Linger() : self->Close(); });
}

void Connection::Linger() {
  Error ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(
      std::min<std::chrono::nanoseconds>(kLinger, linger_until_ - std::chrono::steady_clock::now()));
  buffer_.clear();
  stream_.tcp().async_read_some(buffer_.prepare(kKeptBuffer),
                                [self = shared_from_this()](Error error, size_t bytes) {
                                  self->lingered_ += bytes;
                                  if (error || self->lingered_ > kMostLingered) return self->Close();
                                  self->Linger();
                                });
}

std::chrono::seconds Connection::TimeFor(uint64_t bytes) const {
  return context_->limits.transfer_time +
         std::chrono::seconds(bytes / std::max<uint64_t>(context_->limits.lowest_rate, 1));
}

}  // namespace mind::server
