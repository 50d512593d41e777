// A flag's number of bytes: "8GiB", "500MiB", "64KiB" or plain bytes.
#ifndef MIND_PROTO_SUPPORT_BYTE_COUNT_H_
#define MIND_PROTO_SUPPORT_BYTE_COUNT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace mind {

struct ByteCount {
  int64_t bytes = 0;
};

// For absl flags.
bool AbslParseFlag(absl::string_view text, ByteCount* count, std::string* error);
std::string AbslUnparseFlag(ByteCount count);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_BYTE_COUNT_H_
