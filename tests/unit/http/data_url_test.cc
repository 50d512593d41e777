#include "server/http/data_url.h"

#include <gtest/gtest.h>

namespace mind::server {
namespace {

TEST(DataUrl, IsItsBytes) {
  EXPECT_EQ(FromDataUrl("data:image/png;base64,YWJj"), "abc");
  EXPECT_EQ(FromDataUrl("DATA:;BASE64,YWJj"), "abc");
  EXPECT_EQ(FromDataUrl("data:image/png;charset=x;base64,"), "");
}

TEST(DataUrl, OfAnotherKindIsNone) {
  for (const char* const text : {"", "YWJj", "data:image/png,abc", "data:image/png;base64",
                                 "data:,;base64,YWJj", "http://host/a.png;base64,YWJj", "data:;base64,!!"}) {
    EXPECT_FALSE(FromDataUrl(text).has_value()) << text;
  }
}

TEST(DataUrl, MayLackItsHeadWherePlainBase64IsTaken) {
  EXPECT_EQ(FromBase64("YWJj"), "abc");
  EXPECT_EQ(FromBase64("data:image/png;base64,YWJj"), "abc");
  EXPECT_FALSE(FromBase64("https://host/a.png").has_value());
  // A URL within a URL is none.
  EXPECT_FALSE(FromBase64("data:;base64,data:;base64,YWJj").has_value());
}

}  // namespace
}  // namespace mind::server
