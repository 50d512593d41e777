// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
#ifndef MIND_SERVER_HTTP_SSE_H_
#define MIND_SERVER_HTTP_SSE_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/http/message.h"

namespace mind::server {

// One event. `data` may have several lines. `id` is what a client that comes again sends as Last-Event-ID;
// `name` must be one word, or empty.
std::string SseEvent(std::optional<uint64_t> id, absl::string_view name, absl::string_view data);
// Says nothing, and keeps the connection.
const SharedBytes& SseHeartbeat();
// What an answer of events begins with.
HttpResponse SseHead();

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SSE_H_
