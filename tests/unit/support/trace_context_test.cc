#include "proto/support/trace_context.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mind {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736", kSpan[] = "00f067aa0ba902b7";

std::string Header(const std::string& version, const std::string& trace, const std::string& span,
                   const std::string& flags) {
  return absl::StrCat(version, "-", trace, "-", span, "-", flags);
}

TEST(TraceContext, IsWhatAHeaderSays) {
  const auto context = ParseTraceparent(Header("00", kTrace, kSpan, "01"));
  ASSERT_TRUE(context);
  EXPECT_EQ(context->TraceId(), kTrace);
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(ToTraceparent(*context), Header("00", kTrace, kSpan, "01"));
  EXPECT_FALSE(ParseTraceparent(Header("00", kTrace, kSpan, "00"))->sampled);
  // Other flags, and what later versions add, mean nothing here.
  EXPECT_TRUE(ParseTraceparent(Header("00", kTrace, kSpan, "ff"))->sampled);
  EXPECT_FALSE(ParseTraceparent(Header("00", kTrace, kSpan, "fe"))->sampled);
  EXPECT_TRUE(ParseTraceparent(Header("01", kTrace, kSpan, "01-and-more"))->sampled);
  EXPECT_TRUE(ParseTraceparent(Header("cc", kTrace, kSpan, "01")));
}

TEST(TraceContext, WhatIsNoneIsTakenForNothing) {
  const std::string good = Header("00", kTrace, kSpan, "01");
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(ParseTraceparent(good.substr(0, length))) << length;
  }
  const std::string upper = "4BF92F3577B34DA6A3CE929D0E0E4736";
  for (const std::string& bad :
       {good + "-", good + "0", " " + good, Header("ff", kTrace, kSpan, "01"),
        Header("0g", kTrace, kSpan, "01"), Header("00", upper, kSpan, "01"),
        Header("00", std::string(32, '0'), kSpan, "01"), Header("00", kTrace, std::string(16, '0'), "01"),
        Header("00", kTrace, kSpan, "0x"), Header("01", kTrace, kSpan, "01and"), std::string(55, '-'),
        std::string(100'000, '0')}) {
    EXPECT_FALSE(ParseTraceparent(bad)) << bad.substr(0, 100);
  }
}

TEST(TraceContext, ASpanIsANewOneInItsTrace) {
  const TraceContext root = NewTrace(true), other = NewTrace(false);
  EXPECT_NE(root.trace, other.trace);
  EXPECT_FALSE(other.sampled);
  const TraceContext child = NewSpanIn(root);
  EXPECT_EQ(child.trace, root.trace);
  EXPECT_NE(child.span, root.span);
  EXPECT_TRUE(child.sampled);
  EXPECT_EQ(ParseTraceparent(ToTraceparent(child))->span, child.span);
  EXPECT_EQ(TraceIdOf(ToTraceparent(child)), root.TraceId());
  EXPECT_EQ(TraceIdOf(""), "");
}

}  // namespace
}  // namespace mind
