// Requests over http and https, from any thread.
#ifndef MIND_PROTO_SUPPORT_HTTP_CLIENT_H_
#define MIND_PROTO_SUPPORT_HTTP_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
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
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `done` is called once, on the client's thread or, at its end, on the one that closes it.
  void Send(const WebUrl& url, HttpCall::Request request, const Options& options, HttpCall::Done done);
  // What is not answered yet ends with CANCELLED, before this returns, and so does what comes later. Call it
  // from one thread, and not the client's own.
  void Close();

 private:
  class Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_HTTP_CLIENT_H_
