// A request and an answer, free of the library that reads and writes them.
#ifndef MIND_SERVER_HTTP_MESSAGE_H_
#define MIND_SERVER_HTTP_MESSAGE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/ignoring_case.h"

namespace mind::server {

struct HttpRequest {
  std::string method;                        // "GET"
  std::string path;                          // as it came, without the query: "/v1/jobs/job-1"
  std::vector<std::string> segments;         // of the path, decoded: "v1", "jobs", "job-1"
  std::map<std::string, std::string> query;  // decoded; of a name given twice the last
  std::map<std::string, std::string, IgnoringCase> headers;  // of a name given twice both, with ", " between
  std::string body;
  bool encrypted = false;  // it came by TLS
  std::string peer;        // the address that it comes from
  std::string id;          // named in the answer (x-request-id) and in the log

  // Empty if there is none.
  const std::string& Header(const std::string& name) const;
  const std::string& Query(const std::string& name) const;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// Bytes that many may send at once.
using SharedBytes = std::shared_ptr<const std::string>;

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers = {};    // beside content-type, content-length, x-request-id
  SharedBytes body = nullptr;  // null: none
};

inline HttpResponse Answered(int status, std::string content_type, std::string body) {
  return {.status = status,
          .content_type = std::move(content_type),
          .body = std::make_shared<const std::string>(std::move(body))};
}

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_MESSAGE_H_
