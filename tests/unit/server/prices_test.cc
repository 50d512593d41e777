#include "server/dispatch/prices.h"

#include <gtest/gtest.h>

namespace mind::server {
namespace {

TEST(Prices, AreTheMeanOfTheConnected) {
  Prices prices;
  EXPECT_EQ(prices.Find("m"), nullptr);
  EXPECT_TRUE(prices.Report("slow", "m", 3, 0));
  EXPECT_TRUE(prices.Report("fast", "m", 1, 0));
  EXPECT_FALSE(prices.Report("fast", "m", 1, 0)) << "no news";
  EXPECT_EQ(prices.Find("m")->row, 2);
  EXPECT_TRUE(prices.Forget("slow", "m"));
  EXPECT_EQ(prices.Find("m")->row, 1);
  EXPECT_FALSE(prices.Forget("fast", "m"));
  EXPECT_EQ(prices.Find("m")->row, 1) << "the last that was known";
}

TEST(Prices, OfOneKnownSizeGrowInProportion) {
  Prices prices;
  prices.Report("w", "m", 2, 0.5);
  EXPECT_DOUBLE_EQ(prices.Find("m")->OfRow(0.5), 2);
  EXPECT_DOUBLE_EQ(prices.Find("m")->OfRow(1), 4);
}

TEST(Prices, OfSeveralSizesAreALine) {
  Prices prices;
  for (int i = 0; i < 200; ++i) {
    const double megapixels = 0.25 * (1 + i % 4);
    prices.Report("w", "m", 1 + 2 * megapixels, megapixels);
  }
  EXPECT_NEAR(prices.Find("m")->OfRow(0.25), 1.5, 1e-6);
  EXPECT_NEAR(prices.Find("m")->OfRow(1), 3, 1e-6);
}

TEST(Prices, OfAFastAndASlowWorkerAtDifferentSizesAreNotConfused) {
  Prices prices;
  for (int i = 0; i < 400; ++i) {
    const double megapixels = 0.25 * (1 + i % 4);
    prices.Report("fast", "m", 1 + 2 * megapixels, megapixels);
    prices.Report("slow", "m", 10 + 20 * megapixels, megapixels);
  }
  EXPECT_NEAR(prices.Find("m")->OfRow(0.25), 5.5 * 1.5, 0.5);
  EXPECT_NEAR(prices.Find("m")->OfRow(1), 5.5 * 3, 1);
}

TEST(Prices, AreKeptAndSet) {
  Prices prices;
  prices.Set("m", {.row = 1, .row_megapixel = 2});
  EXPECT_EQ(prices.All().at("m").row_megapixel, 2);
  prices.Report("w", "m", 5, 0);
  EXPECT_EQ(prices.All().at("m").row, 5);
}

}  // namespace
}  // namespace mind::server
