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

TEST(TraceContextState, IsCarriedAsItIs) {
  for (const char* const text :
       {"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a=1", "tenant@vendor=x y", "0-_*/@z= !\"~"}) {
    EXPECT_EQ(CarriedTracestate(text), text);
  }
  EXPECT_EQ(CarriedTracestate(" a=1 ,\t, b=2,"), "a=1,b=2");
  EXPECT_EQ(CarriedTracestate(""), "");
}

TEST(TraceContextState, WhatIsNoneIsNotCarried) {
  std::string many = "m0=1";
  for (int i = 1; i < 33; ++i) many += ",m" + std::to_string(i) + "=1";
  for (const std::string& text :
       {std::string("a"), std::string("=1"), std::string("a="), std::string("A=1"), std::string("a=1,a=2"),
        std::string("a=1=2"), std::string("a@b@c=1"), std::string("a@=1"), std::string("a=\x01"),
        std::string("a=\xff"), std::string(257, 'k') + "=1", "a=" + std::string(257, 'v'), many}) {
    EXPECT_EQ(CarriedTracestate(text), "") << text;
  }
  EXPECT_NE(CarriedTracestate(many.substr(0, many.rfind(','))), "");
}

TEST(TraceContextState, OfOneThatIsTooLongTheLargeAndTheLastGo) {
  const std::string large = "large=" + std::string(200, 'x');
  std::string small;
  for (int i = 0; i < 6; ++i) small += ",s" + std::to_string(i) + "=" + std::string(70, 'x');
  EXPECT_EQ(CarriedTracestate("a=1," + large + small), "a=1" + small);
  std::string longer = small;
  for (int i = 6; i < 12; ++i) longer += ",s" + std::to_string(i) + "=" + std::string(70, 'x');
  const std::string carried = CarriedTracestate(longer.substr(1));
  EXPECT_LE(carried.size(), kMostTracestate);
  EXPECT_EQ(longer.substr(1, carried.size()), carried);
  EXPECT_EQ(longer[1 + carried.size()], ',');
  const std::string two = large + ",b=" + std::string(250, 'x');
  EXPECT_EQ(CarriedTracestate(two + ",c=" + std::string(250, 'x')), two);
}

TEST(TraceContextState, GoesAlongWithItsTraceAlone) {
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto context = ParseTraceparent(parent, "a=1");
  ASSERT_TRUE(context);
  EXPECT_EQ(context->state, "a=1");
  EXPECT_EQ(NewSpanIn(*context).state, "a=1");
  EXPECT_EQ(ParseTraceparent(parent, "nonsense")->state, "");
}

}  // namespace
}  // namespace mind
