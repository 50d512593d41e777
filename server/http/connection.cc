#include "server/http/connection.h"

#include <algorithm>
#include <utility>

namespace mind::server {

Connection::Connection(boost::asio::ip::tcp::socket socket, std::weak_ptr<boost::asio::io_context> io,
                       std::shared_ptr<EndOfTurn> end_of_turn, std::shared_ptr<HttpContext> context,
                       std::shared_ptr<boost::asio::ssl::context> tls)
    : context_(std::move(context)),
      io_(std::move(io)),
      end_of_turn_(std::move(end_of_turn)),
      stream_(std::move(socket), std::move(tls)),
      beat_(stream_.get_executor()) {
  ++context_->open;
  Error ignored;
  stream_.socket().non_blocking(true, ignored);
  stream_.socket().set_option(boost::asio::ip::tcp::no_delay(true), ignored);
}

Connection::~Connection() {
  --context_->open;
}

void Connection::Close() {
  Error ignored;
  beat_.cancel();
  stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
}

std::chrono::seconds Connection::TimeFor(uint64_t bytes) const {
  return context_->limits.transfer_time +
         std::chrono::seconds(bytes / std::max<uint64_t>(context_->limits.lowest_rate, 1));
}

}  // namespace mind::server
