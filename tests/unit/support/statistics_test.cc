#include "tests/bench/statistics.h"

#include <gtest/gtest.h>

namespace mind::bench {
namespace {

TEST(Statistics, TheMedianIsTheMiddleOne) {
  EXPECT_EQ(Median({3}), 3);
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 3, 2}), 3);  // of two, the upper
}

TEST(Statistics, AQuantileIsWhatThatShareLiesBelow) {
  std::vector<double> values;
  for (int i = 200; i-- > 0;) values.push_back(i);
  EXPECT_EQ(Quantile(values, 0), 0);
  EXPECT_EQ(Quantile(values, 0.99), 198);
  EXPECT_EQ(Quantile(values, 1), 199);
}

}  // namespace
}  // namespace mind::bench
