#include "server/generation/nearest_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

TEST(NearestNames, ListsAFewInTheirOrder) {
  EXPECT_EQ(NearestNames("x", {}), "none");
  EXPECT_EQ(NearestNames("b", {"c", "b", "a"}), "c, b, a");
}

TEST(NearestNames, OfManyTheNearest) {
  std::vector<std::string> names;
  for (int i = 0; i < 120; ++i) names.push_back("style-" + std::string(20, static_cast<char>('a' + i % 26)));
  names.push_back("watercolour");
  const std::string text = NearestNames("WaterColor", names);
  EXPECT_THAT(text, testing::StartsWith("watercolour, "));
  EXPECT_THAT(text, testing::EndsWith(" and 116 more"));
  EXPECT_LT(text.size(), 400U);
}

TEST(NearestNames, LongNamesAreCut) {
  EXPECT_LT(NearestNames(std::string(100'000, 'x'), {std::string(100'000, 'y')}).size(), 200U);
}

}  // namespace
}  // namespace mind::server
