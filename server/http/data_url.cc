#include "server/http/data_url.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"

namespace mind::server {
namespace {

std::optional<std::string> Unescaped(absl::string_view base64) {
  std::string bytes;
  if (!absl::Base64Unescape(base64, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace

std::optional<std::string> FromDataUrl(absl::string_view url) {
  const size_t comma = url.find(',');
  const absl::string_view head = url.substr(0, std::min(comma, url.size()));
  if (comma == absl::string_view::npos || !absl::StartsWithIgnoreCase(head, "data:") ||
      !absl::EndsWithIgnoreCase(head, ";base64")) {
    return std::nullopt;
  }
  return Unescaped(url.substr(comma + 1));
}

std::optional<std::string> FromBase64(absl::string_view text) {
  return absl::StartsWithIgnoreCase(text, "data:") ? FromDataUrl(text) : Unescaped(text);
}

}  // namespace mind::server
