// A flag's number of bytes: "8GiB", "500MiB", "64KiB" or plain bytes.
#ifndef MIND_PROTO_SUPPORT_BYTE_COUNT_H_
#define MIND_PROTO_SUPPORT_BYTE_COUNT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mind {

struct ByteCount {
  int64_t bytes = 0;
};

// Nothing if it is none.
std::optional<ByteCount> ParseByteCount(absl::string_view text);
// In the largest unit that gives a whole number.
std::string FormatByteCount(ByteCount count);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_BYTE_COUNT_H_
