// One request over http or https, and what is answered. Free of the library that reads and writes them.
#ifndef MIND_PROTO_SUPPORT_HTTP_CALL_H_
#define MIND_PROTO_SUPPORT_HTTP_CALL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/support/ignoring_case.h"
#include "proto/support/web_url.h"

namespace boost::asio {
class io_context;
namespace ssl {
class context;
}
}  // namespace boost::asio

namespace mind {

// Follows no redirects; the connection is for this request alone. All on the thread of its io_context.
class HttpCall {
 public:
  using Fields = std::map<std::string, std::string, IgnoringCase>;
  struct Request {
    std::string method;  // "GET"
    Fields fields;       // beside those that every request of ours has
    std::string body;
  };
  struct Answer {
    int status = 0;
    Fields fields;  // of a name given twice the first
    std::string body;

    // Empty if there is none.
    const std::string& Field(const std::string& name) const;
  };
  // UNAVAILABLE, DEADLINE_EXCEEDED: there was no answer, and what came of the request is not known.
  // RESOURCE_EXHAUSTED: the answer is larger than is allowed.
  using Done = std::function<void(absl::StatusOr<Answer>)>;
  struct Options {
    absl::Duration limit = absl::Seconds(15);  // of all of it
    // Bytes of the answer that are read; 0: none, its status and header fields are all that is asked for.
    uint64_t most = 0;
  };

  // `done` is called once, unless the io_context is stopped. Both contexts must outlive it.
  static void Start(boost::asio::io_context& io, boost::asio::ssl::context& tls, const WebUrl& url,
                    Request request, const Options& options, Done done);

 private:
  class Impl;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_HTTP_CALL_H_
