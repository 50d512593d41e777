// How a connection writes answers, and goes on after them.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffer_traits.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <utility>

#include "server/http/connection.h"

namespace mind::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

// What a refused caller may still send, and for how long it may send nothing.
constexpr uint64_t kMostLingered = 64 << 20;
constexpr std::chrono::seconds kLinger{2};

}  // namespace

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

}  // namespace mind::server
