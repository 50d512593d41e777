// The bytes of one connection, plain or encrypted, as Boost.Beast reads and writes them.
#ifndef MIND_PROTO_SUPPORT_HTTP_STREAM_H_
#define MIND_PROTO_SUPPORT_HTTP_STREAM_H_

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace mind {

// Has the limits of time of a tcp_stream. Not thread-safe.
class HttpStream {
 public:
  using Tcp = boost::beast::tcp_stream;
  using executor_type = Tcp::executor_type;

  // `tls`: null for a plain one.
  HttpStream(boost::asio::ip::tcp::socket socket, std::shared_ptr<boost::asio::ssl::context> tls)
      : context_(std::move(tls)) {
    if (context_ == nullptr) {
      plain_.emplace(std::move(socket));
    } else {
      encrypted_.emplace(Tcp(std::move(socket)), *context_);
    }
  }

  bool encrypted() const { return encrypted_.has_value(); }
  // REQUIRES: encrypted()
  boost::beast::ssl_stream<Tcp>& tls() { return *encrypted_; }
  SSL& ssl() { return *encrypted_->native_handle(); }
  // What is under it.
  Tcp& tcp() { return encrypted_ ? encrypted_->next_layer() : *plain_; }
  boost::asio::ip::tcp::socket& socket() { return tcp().socket(); }
  executor_type get_executor() noexcept { return tcp().get_executor(); }
  void expires_after(std::chrono::nanoseconds time) { tcp().expires_after(time); }
  void expires_never() { tcp().expires_never(); }
  void close() { tcp().close(); }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (encrypted_) return encrypted_->async_read_some(buffers, std::forward<Handler>(handler));
    plain_->async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (encrypted_) return encrypted_->async_write_some(buffers, std::forward<Handler>(handler));
    plain_->async_write_some(buffers, std::forward<Handler>(handler));
  }

  // REQUIRES: encrypted()
  template <typename Handler>
  void async_handshake(boost::asio::ssl::stream_base::handshake_type as, Handler&& handler) {
    encrypted_->async_handshake(as, std::forward<Handler>(handler));
  }
  // Says that nothing follows, and waits for the other end to say so. REQUIRES: encrypted()
  template <typename Handler>
  void async_shutdown(Handler&& handler) {
    encrypted_->async_shutdown(std::forward<Handler>(handler));
  }

 private:
  const std::shared_ptr<boost::asio::ssl::context> context_;
  std::optional<Tcp> plain_;
  std::optional<boost::beast::ssl_stream<Tcp>> encrypted_;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_HTTP_STREAM_H_
