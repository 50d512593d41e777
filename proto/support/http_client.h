// Requests over http and https, from any thread.
#ifndef MIND_PROTO_SUPPORT_HTTP_CLIENT_H_
#define MIND_PROTO_SUPPORT_HTTP_CLIENT_H_

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "proto/support/http_call.h"

namespace mind {

// One thread of its own, on which any number of requests wait for their answers; so many are under way at a
// time, the others wait their turn within their own limit. Thread-safe.
class HttpClient {
 public:
  struct Options {
    absl::Duration limit = absl::Seconds(15);        // of all tries, and of what is waited for between
    absl::Duration each = absl::InfiniteDuration();  // of one try
    uint64_t most = 0;                               // see HttpCall
    // A request that is not answered, or with 429 or 5xx, is sent again, so often in all, after pauses that
    // double. REQUIRES: it may be done twice.
    int tries = 1;
    absl::Duration first_pause = absl::Milliseconds(100);
  };

  // `ca_file`: the authorities that certificates are to be by, in PEM; empty: those that the system knows.
  // INVALID_ARGUMENT: it cannot be read.
  static absl::StatusOr<std::unique_ptr<HttpClient>> Create(const std::string& ca_file, size_t at_once = 64);
  ~HttpClient() { Close(); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `done` is called once, on the client's thread or, at its end, on the one that closes it.
  void Send(const WebUrl& url, HttpCall::Request request, const Options& options, HttpCall::Done done)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What is not answered yet ends with CANCELLED, before this returns, and so does what comes later. Call it
  // from one thread, and not the client's own.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Sending {
    uint64_t id = 0;
    WebUrl url;
    HttpCall::Request request;
    Options options;
    std::chrono::steady_clock::time_point deadline;
    int tried = 0;
  };
  using SendingPtr = std::shared_ptr<Sending>;

  explicit HttpClient(size_t at_once) : at_once_(at_once) {}
  // All on the thread.
  void Begin();
  void Tried(const SendingPtr& one, absl::StatusOr<HttpCall::Answer> answer);
  void Finish(uint64_t id, absl::StatusOr<HttpCall::Answer> answer) ABSL_LOCKS_EXCLUDED(mutex_);

  const size_t at_once_;
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_client};
  boost::asio::io_context io_{1};
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::deque<SendingPtr> waiting_;  // the thread's
  size_t under_way_ = 0;            // the thread's

  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, HttpCall::Done> unanswered_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_HTTP_CLIENT_H_
