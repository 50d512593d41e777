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

bool AbslParseFlag(absl::string_view text, ByteCount* count, std::string* error) {
  for (const Unit& unit : kUnits) {
    absl::string_view number = text;
    if (!absl::ConsumeSuffix(&number, unit.name)) continue;
    double value = 0;
    if (absl::SimpleAtod(number, &value) && value >= 0 && value * static_cast<double>(unit.bytes) < 9e18) {
      count->bytes = static_cast<int64_t>(value * static_cast<double>(unit.bytes));
      return true;
    }
    break;
  }
  *error = absl::StrCat("\"", text, "\" is not a number of bytes, such as 8GiB, 500MiB, 64KiB or 0");
  return false;
}

std::string AbslUnparseFlag(ByteCount count) {
  for (const Unit& unit : kUnits) {
    if (count.bytes > 0 && count.bytes % unit.bytes == 0)
      return absl::StrCat(count.bytes / unit.bytes, unit.name);
  }
  return "0";
}

}  // namespace mind
