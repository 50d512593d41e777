#include "proto/support/web_url.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mind {
namespace {

bool IsUrlCharacter(unsigned char c) {
  return absl::ascii_isgraph(c) &&
         absl::string_view("\"<>\\^`{|}#").find(static_cast<char>(c)) == absl::string_view::npos;
}

bool IsHost(absl::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
  });
}

bool IsAddress(absl::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return absl::ascii_isxdigit(c) || c == ':' || c == '.';
  });
}

std::string Bracketed(const std::string& host) {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]") : host;
}

}  // namespace

std::string WebUrl::Origin() const {
  return absl::StrCat(tls ? "https://" : "http://", Bracketed(host), ":", port);
}

std::string WebUrl::Authority() const {
  return port == (tls ? "443" : "80") ? Bracketed(host) : absl::StrCat(Bracketed(host), ":", port);
}

std::optional<WebUrl> ParseWebUrl(const std::string& url, size_t most) {
  absl::string_view rest = url;
  WebUrl parsed;
  if (url.size() > most || !std::all_of(url.begin(), url.end(), IsUrlCharacter)) return std::nullopt;
  if (absl::ConsumePrefix(&rest, "https://")) {
    parsed.tls = true;
  } else if (!absl::ConsumePrefix(&rest, "http://")) {
    return std::nullopt;
  }
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  absl::string_view authority = rest.substr(0, end);
  const absl::string_view target = rest.substr(end);
  parsed.target = absl::StrCat(absl::StartsWith(target, "/") ? "" : "/", target);
  if (absl::ConsumePrefix(&authority, "[")) {
    const size_t close = authority.find(']');
    if (close == absl::string_view::npos || !IsAddress(authority.substr(0, close))) return std::nullopt;
    parsed.host = std::string(authority.substr(0, close));
    authority.remove_prefix(close + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    if (!IsHost(authority.substr(0, colon))) return std::nullopt;
    parsed.host = std::string(authority.substr(0, colon));
    authority.remove_prefix(colon);
  }
  absl::AsciiStrToLower(&parsed.host);
  uint32_t port = parsed.tls ? 443 : 80;
  if (!authority.empty() && (!absl::ConsumePrefix(&authority, ":") || !absl::SimpleAtoi(authority, &port) ||
                             port == 0 || port > 65535)) {
    return std::nullopt;
  }
  parsed.port = absl::StrCat(port);
  return parsed;
}

}  // namespace mind
