#include "server/http/sse.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mind::server {

std::string SseEvent(std::optional<uint64_t> id, absl::string_view name, absl::string_view data) {
  std::string event;
  event.reserve(data.size() + name.size() + 64);
  if (id) absl::StrAppend(&event, "id: ", *id, "\n");
  if (!name.empty()) absl::StrAppend(&event, "event: ", name, "\n");
  for (const absl::string_view line : absl::StrSplit(data, '\n'))
    absl::StrAppend(&event, "data: ", line, "\n");
  absl::StrAppend(&event, "\n");
  return event;
}

const SharedBytes& SseHeartbeat() {
  static const SharedBytes* const ping = new SharedBytes(std::make_shared<const std::string>(": ping\n\n"));
  return *ping;
}

HttpResponse SseHead() {
  // The last is for nginx, which would hold events back until a buffer is full.
  return {.status = 200,
          .content_type = "text/event-stream",
          .headers = {{"cache-control", "no-store"}, {"x-accel-buffering", "no"}}};
}

}  // namespace mind::server
