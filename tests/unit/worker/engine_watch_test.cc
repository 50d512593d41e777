#include "worker/link/engine_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace mind {
namespace {

TEST(EngineWatch, TellsOnceThatItHangs) {
  std::atomic<int> asked = 0, told = 0;
  std::promise<void> heard;
  {
    const EngineWatch watch({.period = absl::Milliseconds(1),
                             .hangs = [&] { return ++asked >= 3; },
                             .tell =
                                 [&] {
                                   ++told;
                                   heard.set_value();
                                 }});
    heard.get_future().wait();
  }
  EXPECT_EQ(told, 1);
  EXPECT_EQ(asked, 3);
}

TEST(EngineWatch, EndsWithoutAWordWhereNothingHangs) {
  std::promise<void> asked;
  std::atomic<bool> first = true;
  const EngineWatch watch({.period = absl::Milliseconds(1),
                           .hangs =
                               [&] {
                                 if (first.exchange(false)) asked.set_value();
                                 return false;
                               },
                           .tell = [] { ADD_FAILURE(); }});
  asked.get_future().wait();
}

}  // namespace
}  // namespace mind
