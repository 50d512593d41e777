#include "proto/support/byte_count.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mind {
namespace {

struct Unit {
  const char* name;
  int64_t bytes;
};
constexpr Unit kUnits[] = {
    {"TiB", int64_t{1} << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}};

}  // namespace

std::optional<ByteCount> ParseByteCount(absl::string_view text) {
  for (const Unit& unit : kUnits) {
    absl::string_view number = text;
    if (!absl::ConsumeSuffix(&number, unit.name)) continue;
    double value = 0;
    if (absl::SimpleAtod(number, &value) && value >= 0 && value * static_cast<double>(unit.bytes) < 9e18)
      return ByteCount{static_cast<int64_t>(value * static_cast<double>(unit.bytes))};
    break;
  }
  return std::nullopt;
}

std::string FormatByteCount(ByteCount count) {
  for (const Unit& unit : kUnits) {
    if (count.bytes > 0 && count.bytes % unit.bytes == 0)
      return absl::StrCat(count.bytes / unit.bytes, unit.name);
  }
  return "0";
}

}  // namespace mind
