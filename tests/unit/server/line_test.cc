#include "server/queue/line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace mind::server {
namespace {

class LineTest : public testing::Test {
 protected:
  Line::Node& Add(double at, uint64_t offers = 1) {
    Line::Node& node = nodes_.emplace_back();
    node.turn = {.at = at, .arrival = nodes_.size()};
    node.work = {.rows = at, .row_megapixels = 2 * at, .steps = static_cast<int64_t>(at)};
    node.offers = offers;
    line_.Insert(node);
    return node;
  }

  Line line_;
  std::deque<Line::Node> nodes_;
};

TEST_F(LineTest, IsEmptyAtFirst) {
  EXPECT_TRUE(line_.empty());
  EXPECT_EQ(line_.First(~uint64_t{0}), nullptr);
  EXPECT_EQ(line_.sum().jobs, 0);
  EXPECT_EQ(line_.Before({.at = 1}).jobs, 0);
}

TEST_F(LineTest, TurnsGoByRankThenPlaceThenArrival) {
  EXPECT_LT((Turn{.rank = 0, .at = 9, .arrival = 9}), (Turn{.rank = 1, .at = 1, .arrival = 1}));
  EXPECT_LT((Turn{.rank = 1, .at = 1, .arrival = 9}), (Turn{.rank = 1, .at = 2, .arrival = 1}));
  EXPECT_LT((Turn{.rank = 1, .at = 1, .arrival = 1}), (Turn{.rank = 1, .at = 1, .arrival = 2}));
}

TEST_F(LineTest, StaysShallowHoweverItIsFilled) {
  for (int i = 0; i < 100'000; ++i) Add(i);
  EXPECT_LT(line_.Depth(), 80);
}

TEST_F(LineTest, AgreesWithAListUnderRandomChanges) {
  std::mt19937 random(1);
  std::vector<Line::Node*> in;
  for (int change = 0; change < 3000; ++change) {
    const uint64_t what = random() % 4;
    if (what < 2 || in.empty()) {
      in.push_back(&Add(static_cast<double>(random() % 100), random() % 16));
    } else if (what == 2) {
      std::swap(in[random() % in.size()], in.back());
      line_.Erase(*in.back());
      in.pop_back();
    } else {
      Line::Node& node = *in[random() % in.size()];
      node.offers = random() % 16;
      node.work.steps = static_cast<int64_t>(random() % 100);
      Line::Update(node);
    }
    std::sort(in.begin(), in.end(), [](const auto* a, const auto* b) { return a->turn < b->turn; });
    const uint64_t wanted = random() % 16;
    std::vector<const Line::Node*> found, expected, all;
    for (const Line::Node* node = line_.First(wanted); node != nullptr; node = Line::Next(*node, wanted)) {
      found.push_back(node);
    }
    for (const Line::Node* const node : in) {
      if ((node->offers & wanted) != 0) expected.push_back(node);
    }
    ASSERT_EQ(found, expected);
    line_.ForEach([&](const Line::Node& node) { all.push_back(&node); });
    ASSERT_EQ(all, std::vector<const Line::Node*>(in.begin(), in.end()));
    const Turn turn{.at = static_cast<double>(random() % 100)};
    Standing before;
    for (const Line::Node* const node : in) {
      if (!(node->turn < turn)) break;
      ++before.jobs;
      before.work += node->work;
    }
    EXPECT_EQ(line_.Before(turn).jobs, before.jobs);
    EXPECT_EQ(line_.Before(turn).work.steps, before.work.steps);
    EXPECT_DOUBLE_EQ(line_.Before(turn).work.rows, before.work.rows);
  }
}

}  // namespace
}  // namespace mind::server
