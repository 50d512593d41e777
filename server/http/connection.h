// One connection: reads a request, has it handled, writes the answer, and again.
#ifndef MIND_SERVER_HTTP_CONNECTION_H_
#define MIND_SERVER_HTTP_CONNECTION_H_

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/support/http_stream.h"
#include "server/http/body_budget.h"
#include "server/http/end_of_turn.h"
#include "server/http/http_server.h"
#include "server/http/http_tls.h"

namespace mind::server {

// What the connections of a server share. Constant but for the counts and certificates.
struct HttpContext {
  const Router& router;
  const HttpLimits limits;
  BodyBudget bodies;
  const std::vector<std::string> cors_origins;
  HttpTlsContexts tls;
  std::atomic<bool> stopping = false;
  std::atomic<size_t> open = 0;
  std::atomic<uint64_t> requests = 0;
  const std::string id_prefix;  // of requests' ids, different for every run of the server
};

// All of it runs on the thread of its socket's io_context; a ConnectionExchange, which handlers hold, posts
// to there. Kept alive by what is under way, and by its exchange.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, std::weak_ptr<boost::asio::io_context> io,
             std::shared_ptr<EndOfTurn> end_of_turn, std::shared_ptr<HttpContext> context,
             std::shared_ptr<boost::asio::ssl::context> tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Run();
  void Close();

 private:
  friend class ConnectionExchange;
  // A buffer larger than this is given back between requests.
  static constexpr size_t kKeptBuffer = 4096;

  using Error = boost::beast::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Head = boost::beast::http::response<boost::beast::http::empty_body>;
  using Whole = boost::beast::http::response<boost::beast::http::span_body<const char>>;

  // --- Reading (connection_reading.cc).

  void OnHandshake(Error error);
  void ReadHeader(std::chrono::seconds within);
  void OnHeader(Error error);
  // What has come of the header becomes the request. False: it was refused.
  void TakeFields();
  bool TakeHeader();
  void ReadBody();
  void ReadBodyPart();
  void OnRequest(Error error);
  // Answers what cannot be read, and closes.
  void Refuse(Error error);
  void RefuseWith(int status, const std::string& code, const std::string& message,
                  const HttpHeaders& headers = {});
  void Handle();

  // While a request is handled nothing is read, but the caller's end is watched for.
  void WatchForEnd();
  // The same where it is encrypted: its end cannot be seen but by reading.
  void ReadAhead();
  void CallerGone();

  // --- Answering (connection_answering.cc).

  // What an exchange asks for; ignored if it is not the one that is being answered.
  void Answer(uint64_t exchange, HttpResponse response);
  void Begin(uint64_t exchange, HttpResponse head, SharedBytes heartbeat);
  void Send(uint64_t exchange, SharedBytes part, std::function<void()> sent);
  void End(uint64_t exchange);
  void OnGone(uint64_t exchange, std::function<void()> gone);
  void Abandon(uint64_t exchange, const HttpHeaders& headers);

  template <typename Response>
  void SetHeaders(const HttpResponse& from, Response& response) const;
  // Writes what waits, one thing after the other.
  void WriteNext();
  void Write(SharedBytes bytes, std::function<void()> written);
  template <typename Buffers, typename Done>
  void WriteAll(const Buffers& buffers, size_t size, Done done);
  void WaitToBeat();
  void AwaitBeat();
  void OnAnswered();
  void GoOn();
  // Closes it having said so, where it is encrypted.
  void Leave();
  // Takes what a refused caller still sends, for a moment: a reset would take the answer from it. Where it is
  // encrypted nobody looks into it.
  void Linger();
  std::chrono::seconds TimeFor(uint64_t bytes) const;

  const std::shared_ptr<HttpContext> context_;
  const std::weak_ptr<boost::asio::io_context> io_;
  const std::shared_ptr<EndOfTurn> end_of_turn_;
  HttpStream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  HttpRequest request_;                    // that is being read
  std::optional<BodyBudget::Share> body_;  // of it

  // Of the request being handled.
  uint64_t exchange_ = 0;  // counts them; answers to older ones are late
  bool handling_ = false;  // and not answered in full
  bool keep_alive_ = false;
  bool head_only_ = false;  // HEAD
  bool chunked_ = false;
  std::string request_id_;
  std::string origin_;  // that may read the answer; empty: none is named
  bool began_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool gone_ = false;
  bool refused_ = false;  // without having read all of it
  uint64_t lingered_ = 0;
  std::chrono::steady_clock::time_point linger_until_;
  std::function<void()> on_gone_;
  bool reading_ahead_ = false;
  std::function<void()> after_reading_ahead_;
  struct Part {
    SharedBytes bytes;
    std::function<void()> sent;
  };
  std::optional<Part> next_;  // to be written when the heartbeat under way is
  SharedBytes heartbeat_;
  boost::asio::steady_timer beat_;
  bool waits_to_beat_ = false;                         // beat_ has been set
  std::chrono::steady_clock::time_point quiet_since_;  // the end of the last part
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_CONNECTION_H_
