#include "server/http/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Target, IsTakenApartAndDecoded) {
  HttpRequest request;
  ASSERT_TRUE(ParseTarget("/v1/models/org%2Fname?after=7&q=a+b%26c&flag&q=last", request));
  EXPECT_EQ(request.path, "/v1/models/org%2Fname");
  EXPECT_THAT(request.segments, ElementsAre("v1", "models", "org/name"));
  EXPECT_THAT(request.query, ElementsAre(Pair("after", "7"), Pair("flag", ""), Pair("q", "last")));
}

TEST(Target, ASlashAtTheEndMeansNothing) {
  HttpRequest request;
  ASSERT_TRUE(ParseTarget("/v1/models/", request));
  EXPECT_THAT(request.segments, ElementsAre("v1", "models"));
  ASSERT_TRUE(ParseTarget("/", request));
  EXPECT_TRUE(request.segments.empty());
}

TEST(Target, WhatIsNoPathOfOursIsRefused) {
  HttpRequest request;
  for (const char* const bad : {"", "v1", "http://host/v1", "*", "/%", "/%2", "/%zz", "/a%00b", "/..",
                                "/a/../b", "/%2e%2e/etc", "/.", "/a?b=%g0"}) {
    EXPECT_FALSE(ParseTarget(bad, request)) << bad;
  }
}

}  // namespace
}  // namespace mind::server
