#include "server/http/target.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"

namespace mind::server {
namespace {

std::optional<std::string> Decode(absl::string_view text, bool plus_is_space) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] != '%') {
      decoded.push_back(text[i]);
    } else {
      if (i + 2 >= text.size() || !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) ||
          !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
        return std::nullopt;
      }
      decoded += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    }
  }
  if (decoded.find('\0') != std::string::npos) return std::nullopt;
  return decoded;
}

}  // namespace

bool ParseTarget(std::string_view whole, HttpRequest& request) {
  const absl::string_view target(whole.data(), whole.size());
  if (!absl::StartsWith(target, "/")) return false;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(target, absl::MaxSplits('?', 1));
  request.path = std::string(parts.first);
  request.segments.clear();
  for (const absl::string_view segment : absl::StrSplit(parts.first.substr(1), '/')) {
    std::optional<std::string> decoded = Decode(segment, false);
    if (!decoded || *decoded == "." || *decoded == "..") return false;
    request.segments.push_back(*std::move(decoded));
  }
  // "/v1/models/" means "/v1/models".
  if (request.segments.back().empty()) request.segments.pop_back();
  request.query.clear();
  for (const absl::string_view pair : absl::StrSplit(parts.second, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> entry =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    std::optional<std::string> name = Decode(entry.first, true), value = Decode(entry.second, true);
    if (!name || !value) return false;
    request.query[*std::move(name)] = *std::move(value);
  }
  return true;
}

}  // namespace mind::server
