#include "worker/diffusion/engine/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace mind::diffusion {
namespace {

TEST(ThreadPool, HigherPrioritiesFirstAndElseInOrderOfArrival) {
  std::vector<int> order;
  std::promise<void> all_posted;
  ThreadPool pool(1);
  pool.Post(0, [&] { all_posted.get_future().wait(); });
  for (const int i : {1, 2}) pool.Post(0, [&order, i] { order.push_back(i); });
  for (const int i : {3, 4}) pool.Post(-1, [&order, i] { order.push_back(i); });
  for (const int i : {5, 6}) pool.Post(1, [&order, i] { order.push_back(i); });
  all_posted.set_value();
  pool.Close();
  EXPECT_THAT(order, testing::ElementsAre(5, 6, 1, 2, 3, 4));
}

TEST(ThreadPool, RunsWhatWasPostedBeforeItCloses) {
  int ran = 0;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 100; ++i) pool.Post(i % 3, [&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace mind::diffusion
