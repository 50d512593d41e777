#include "proto/support/flag_types.h"

#include "absl/strings/str_cat.h"

namespace mind {

FlagReader DurationReader(std::function<void(absl::Duration)> take, absl::Duration least,
                          absl::Duration most) {
  return [take = std::move(take), least, most](const std::string& text) -> std::string {
    absl::Duration value;
    if (absl::ParseDuration(text, &value) && value >= least && value <= most) {
      take(value);
      return "";
    }
    return absl::StrCat("\"", text, "\" is not a duration from ", absl::FormatDuration(least), " to ",
                        absl::FormatDuration(most), ", such as 500ms, 10s or 1h30m");
  };
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& value, absl::Duration least,
                         absl::Duration most, const std::string& help) {
  const auto take = [&value](absl::Duration given) { value = given; };
  return AddFlag(app, name, "DURATION", DurationReader(take, least, most), help)
      ->default_str(absl::FormatDuration(value));
}

CLI::Option* AddByteCount(CLI::App& app, const std::string& name, ByteCount& value, const std::string& help) {
  const auto read = [&value](const std::string& text) -> std::string {
    const std::optional<ByteCount> given = ParseByteCount(text);
    if (!given) {
      return absl::StrCat("\"", text, "\" is not a number of bytes, such as 8GiB, 500MiB, 64KiB or 0");
    }
    value = *given;
    return "";
  };
  return AddFlag(app, name, "BYTES", read, help)->default_str(FormatByteCount(value));
}

}  // namespace mind
