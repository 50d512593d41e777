#include "server/http/page.h"

#include <openssl/sha.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

std::string MediaTypeOf(const std::string& name) {
  if (absl::EndsWith(name, ".html")) return "text/html; charset=utf-8";
  if (absl::EndsWith(name, ".css")) return "text/css; charset=utf-8";
  return "text/javascript; charset=utf-8";
}

std::string TagOf(const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::StrCat("\"", absl::BytesToHexString({reinterpret_cast<const char*>(digest), 12}), "\"");
}

// Pictures from blobs and data URLs are the page's own.
constexpr char kPolicy[] =
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors "
    "'none'; "
    "base-uri 'none'; form-action 'self'";

}  // namespace

void AddPage(Router& router) {
  for (auto& [name, bytes] : EmbeddedFiles()) {
    HttpResponse whole = Answered(200, MediaTypeOf(name), bytes);
    whole.headers = {{"etag", TagOf(bytes)},
                     {"cache-control", "no-cache"},
                     {"content-security-policy", kPolicy},
                     {"x-content-type-options", "nosniff"},
                     {"referrer-policy", "no-referrer"}};
    const auto answer = [whole, tag = TagOf(bytes)](const ExchangePtr& exchange, const Router::Arguments&) {
      if (exchange->request().Header("if-none-match") != tag) return exchange->Answer(whole);
      exchange->Answer({.status = 304, .content_type = "", .headers = {{"etag", tag}}});
    };
    if (name == "index.html") router.Add("GET", "/", answer);
    router.Add("GET", absl::StrCat("/", name), answer);
  }
}

}  // namespace mind::server
