// The target of a request: path and query.
#ifndef MIND_SERVER_HTTP_TARGET_H_
#define MIND_SERVER_HTTP_TARGET_H_

#include <string_view>

#include "server/http/message.h"

namespace mind::server {

// Fills in path, segments and query of the request. False if it is no target that we take: it has to begin
// with
// "/", its escapes have to be whole, and a decoded segment may not be "." or "..", nor hold a NUL.
bool ParseTarget(std::string_view target, HttpRequest& request);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_TARGET_H_
