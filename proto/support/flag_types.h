// Flags of the types that Abseil and we have: durations and numbers of bytes. See command_line.h.
#ifndef MIND_PROTO_SUPPORT_FLAG_TYPES_H_
#define MIND_PROTO_SUPPORT_FLAG_TYPES_H_

#include <string>

#include "absl/time/time.h"
#include "proto/support/byte_count.h"
#include "proto/support/command_line.h"

namespace mind {

// Reads "10s", "500ms", "1h30m", "0" from `least` to `most`, ends included.
FlagReader DurationReader(std::function<void(absl::Duration)> take, absl::Duration least,
                          absl::Duration most);
// Its value before is the default.
CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& value, absl::Duration least,
                         absl::Duration most, const std::string& help);
// "8GiB". Its value before is the default.
CLI::Option* AddByteCount(CLI::App& app, const std::string& name, ByteCount& value, const std::string& help);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_FLAG_TYPES_H_
