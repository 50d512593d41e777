// What a request says of who makes it.
#ifndef MIND_SERVER_HTTP_CREDENTIALS_H_
#define MIND_SERVER_HTTP_CREDENTIALS_H_

#include "server/http/message.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

inline Credentials CredentialsOf(const HttpRequest& request) {
  Credentials credentials{.authorization = request.Header("authorization"),
                          .traceparent = request.Header("traceparent"),
                          .tracestate = request.Header("tracestate"),
                          .peer = request.peer};
  if (const std::string& tenant = request.Header("mind-tenant"); !tenant.empty()) credentials.tenant = tenant;
  return credentials;
}

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_CREDENTIALS_H_
