#include "proto/support/web_url.h"

#include <gtest/gtest.h>

namespace mind {
namespace {

std::string OriginOf(const std::string& url) {
  const auto parsed = ParseWebUrl(url);
  return parsed ? parsed->Origin() + " " + parsed->target : "none";
}

TEST(WebUrl, IsTakenApart) {
  EXPECT_EQ(OriginOf("https://Studio.Example/hook?x=1"), "https://studio.example:443 /hook?x=1");
  EXPECT_EQ(OriginOf("http://studio.example"), "http://studio.example:80 /");
  EXPECT_EQ(OriginOf("http://studio.example?x"), "http://studio.example:80 /?x");
  EXPECT_EQ(OriginOf("http://[::1]:81/a"), "http://[::1]:81 /a");
  for (const char* const bad :
       {"", "studio.example", "ftp://studio.example", "http://", "http:///x", "http://a@b/", "http://a:0/",
        "http://a:99999/", "http://a:x/", "http://a b/", "http://a/b c", "http://a/\n", "http://a/#b",
        "http://[::1/", "http://[a.b]c/", "http://ü/"}) {
    EXPECT_EQ(OriginOf(bad), "none") << bad;
  }
  EXPECT_EQ(OriginOf("http://a/" + std::string(kMaxWebUrl, 'x')), "none");
  EXPECT_TRUE(ParseWebUrl("http://a/" + std::string(kMaxWebUrl, 'x'), 2 * kMaxWebUrl).has_value());
}

}  // namespace
}  // namespace mind
