// multipart/form-data: RFC 7578, in the framing of RFC 2046.
#ifndef MIND_SERVER_HTTP_MULTIPART_H_
#define MIND_SERVER_HTTP_MULTIPART_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mind::server {

struct FormPart {
  std::string name;
  std::string filename;      // empty: it is no file
  std::string content_type;  // empty: text
  absl::string_view data;    // of the body that was parsed
};

// At most this many parts, each with a header of at most so many bytes.
inline constexpr size_t kMaxFormParts = 128;
inline constexpr size_t kMaxPartHeader = 8 * 1024;

// `content_type` is the request's header. INVALID_ARGUMENT says what is wrong. The parts live as long as
// `body`.
absl::StatusOr<std::vector<FormPart>> ParseForm(absl::string_view content_type, absl::string_view body);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_MULTIPART_H_
