// A form that a stranger posts: the content type up to the first zero byte, then the body.
#include "server/http/multipart.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto [type, body] = mind::fuzz::Halves(mind::fuzz::Text(data, size));
  const absl::string_view bytes(body.data(), body.size());
  const auto parts = mind::server::ParseForm({type.data(), type.size()}, bytes);
  if (!parts.ok()) return 0;
  for (const mind::server::FormPart& part : *parts) {
    // Within the body, or the readers of it would be lost.
    if (part.data.begin() < bytes.begin() || part.data.end() > bytes.end()) __builtin_trap();
  }
  return 0;
}
