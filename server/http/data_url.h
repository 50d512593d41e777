// Pictures inside requests: "data:image/png;base64,…".
#ifndef MIND_SERVER_HTTP_DATA_URL_H_
#define MIND_SERVER_HTTP_DATA_URL_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mind::server {

// The bytes; nothing if it is no data URL in base64.
std::optional<std::string> FromDataUrl(absl::string_view url);
// The same, or plain base64 without a head.
std::optional<std::string> FromBase64(absl::string_view text);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_DATA_URL_H_
