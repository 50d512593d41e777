#include "proto/support/byte_count.h"

#include <gtest/gtest.h>

namespace mind {
namespace {

int64_t Parsed(const std::string& text) {
  return ParseByteCount(text).value_or(ByteCount{-1}).bytes;
}

TEST(ByteCount, ReadsUnitsAndWritesThemBack) {
  EXPECT_EQ(Parsed("8GiB"), int64_t{8} << 30);
  EXPECT_EQ(Parsed("1.5MiB"), 3 << 19);
  EXPECT_EQ(Parsed("64KiB"), 65536);
  EXPECT_EQ(Parsed("123"), 123);
  EXPECT_EQ(Parsed("0"), 0);
  for (const char* text : {"8GiB", "1536KiB", "123", "0", "2TiB"})
    EXPECT_EQ(FormatByteCount(ByteCount{Parsed(text)}), text);
}

TEST(ByteCount, RefusesWhatIsNone) {
  for (const char* text : {"", "GiB", "-1", "8 bananas", "8GB", "1e30", "nan"})
    EXPECT_EQ(Parsed(text), -1) << text;
}

}  // namespace
}  // namespace mind
