#include "server/trust/key_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/escaping.h"

namespace mind::server {
namespace {

using ::testing::MatchesRegex;

TEST(KeyText, IsReadAsItWasWritten) {
  std::set<std::string> secrets;
  for (int i = 0; i < 200; ++i) {
    const KeyText key = NewKeyText();
    const std::string text = ToText(key);
    EXPECT_THAT(text, MatchesRegex("mind_[A-Za-z0-9]{10}_[A-Za-z0-9]{38}"));
    const auto parsed = ParseKeyText(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->id, key.id);
    EXPECT_EQ(parsed->secret, key.secret);
    secrets.insert(key.secret);
  }
  EXPECT_EQ(secrets.size(), 200U);
}

// Whatever single character of it is another.
TEST(KeyText, AMistypedKeyIsNone) {
  const std::string text = ToText(NewKeyText());
  for (size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'0', 'z', '_', '!', '\0'}) {
      std::string mistyped = text;
      if (mistyped[i] == c) continue;
      mistyped[i] = c;
      EXPECT_FALSE(ParseKeyText(mistyped)) << mistyped;
    }
  }
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(ParseKeyText(text.substr(0, size)));
  EXPECT_FALSE(ParseKeyText(text + "0"));
}

// So that keys made by one version are read by the next.
TEST(KeyText, TheFormStaysAsItIs) {
  // By Python: zlib.crc32 of what stands before the last six, in base 62.
  const auto key = ParseKeyText("mind_abcdefghij_0123456789ABCDEFGHIJKLMNOPQRSTUV2NoKnV");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->id, "abcdefghij");
  // By sha256sum.
  EXPECT_EQ(absl::BytesToHexString(HashOfSecret(key->secret)),
            "41ba696bc2822924f7cba0ce211bfddfe653ceb3c981255a1775bebf110bf42d");
}

TEST(KeyText, HashesAreComparedWhole) {
  const std::string one = HashOfSecret("a"), other = HashOfSecret("b");
  EXPECT_TRUE(SameHash(one, HashOfSecret("a")));
  EXPECT_FALSE(SameHash(one, other));
  EXPECT_FALSE(SameHash(one, one.substr(1)));
  EXPECT_FALSE(SameHash(one, ""));
}

}  // namespace
}  // namespace mind::server
