// URLs of http and https.
#ifndef MIND_PROTO_SUPPORT_WEB_URL_H_
#define MIND_PROTO_SUPPORT_WEB_URL_H_

#include <cstddef>
#include <optional>
#include <string>

namespace mind {

// What people write; addresses that programs make may be longer.
inline constexpr size_t kMaxWebUrl = 2048;

// A URL of http or https in its parts.
struct WebUrl {
  bool tls = false;
  std::string host;    // lower case; an IPv6 address without its brackets
  std::string port;    // as a number, also where the URL leaves it out
  std::string target;  // path and query: "/hook?x=1"

  // "https://host:port", by which two URLs are of one origin.
  std::string Origin() const;
  // What a request names as its host: without the port where that is the scheme's own.
  std::string Authority() const;
};
// Empty: it is none, carries a user's name, a fragment, or characters that have no place in a URL, or is
// longer than `most` bytes.
std::optional<WebUrl> ParseWebUrl(const std::string& url, size_t most = kMaxWebUrl);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_WEB_URL_H_
