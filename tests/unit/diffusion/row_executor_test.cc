#include "worker/diffusion/engine/row_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

// A linear layer under adapters, plus what else a row is told.
class FakeDenoiser : public Denoiser {
 public:
  at::Tensor operator()(const DenoiserInput& input) const override {
    if (input.sample.size(0) > largest) largest = input.sample.size(0);
    if (input.sample.isnan().any().item<bool>()) throw std::runtime_error("a row it cannot take");
    const at::Tensor sum = input.told[Condition::kText].sum(at::IntArrayRef{1, 2}) +
                           input.told[Condition::kLabel].to(at::kFloat) + input.timestep;
    return layer_(input.sample) + sum.view({-1, 1, 1, 1});
  }
  mutable std::atomic<int64_t> largest = 0;
  const at::Tensor& weight() const { return parameters_.weight; }

 private:
  struct Parameters : ParameterSource {
    bool Has(const std::string&) const override { return true; }
    at::Tensor Take(const std::string&, at::IntArrayRef) override { return weight; }
    at::Tensor weight = at::eye(4);
  };
  Parameters parameters_;
  Linear layer_{Scope(parameters_), 4, 4, /*bias=*/false};
};

EvaluationRow Row(double i) {
  return {.sample = at::full({1, 2, 4}, i),
          .timestep = 10 * i,
          .told = {{Condition::kText, at::full({2, 3}, i)},
                   {Condition::kLabel, at::full({}, static_cast<int64_t>(i), at::kLong)}},
          .adapters = {}};
}

// What the row must come to, by itself.
at::Tensor ExpectedRow(double i, double adapted = 0) {
  return at::full({1, 2, 4}, i * (1 + adapted) + 6 * i + i + 10 * i);
}

class RowExecutorTest : public testing::TestWithParam<bool> {
 protected:
  bool batched() const { return GetParam(); }
  std::vector<RowResult> Run(const std::vector<EvaluationRow>& rows) {
    const c10::InferenceMode inference;
    return executor_->Run(denoiser_, rows);
  }

  FakeDenoiser denoiser_;
  const std::unique_ptr<RowExecutor> executor_ =
      GetParam() ? MakeBatchedExecutor() : MakeSideBySideExecutor(3);
};

TEST_P(RowExecutorTest, ResultsComeInTheOrderOfTheRows) {
  for (const int count : {1, 2, 3, 5, 8, 9}) {
    std::vector<EvaluationRow> rows;
    for (int i = 0; i < count; ++i) rows.push_back(Row(i));
    const std::vector<RowResult> results = Run(rows);
    ASSERT_EQ(results.size(), rows.size());
    for (int i = 0; i < count; ++i) {
      const RowResult& result = results[static_cast<size_t>(i)];
      ASSERT_FALSE(result.error);
      EXPECT_TRUE(at::equal(result.output, ExpectedRow(i))) << i << " of " << count;
    }
  }
}

TEST_P(RowExecutorTest, ABatchIsPaddedToAPowerOfTwoAndRowsAreNot) {
  std::vector<EvaluationRow> rows;
  for (int i = 0; i < 5; ++i) rows.push_back(Row(i));
  Run(rows);
  EXPECT_EQ(denoiser_.largest, batched() ? 8 : 1);
  EXPECT_EQ(executor_->SameCost(5), batched() ? 8U : 6U);
  EXPECT_EQ(executor_->SameCost(1), batched() ? 1U : 3U);
}

// Padding copies a row's adapter with it; the others keep theirs.
TEST_P(RowExecutorTest, EveryRowHasItsOwnAdapter) {
  const auto adapter = std::make_shared<Adapter>();
  adapter->Set(denoiser_.weight(), {.down = at::eye(4), .up = at::eye(4)});
  std::vector<EvaluationRow> rows;
  for (int i = 0; i < 5; ++i) {
    rows.push_back(Row(i));
    if (i == 1 || i == 4) rows.back().adapters = {{adapter, 0.5 * i}};
  }
  const std::vector<RowResult> results = Run(rows);
  for (int i = 0; i < 5; ++i) {
    ASSERT_FALSE(results[static_cast<size_t>(i)].error);
    EXPECT_TRUE(
        at::equal(results[static_cast<size_t>(i)].output, ExpectedRow(i, i == 1 || i == 4 ? 0.5 * i : 0)))
        << i;
  }
}

// Prompts of several chunks: rows that are told texts of other lengths stand in one batch, in any order.
TEST_P(RowExecutorTest, RowsMayBeToldTextsOfDifferentLengths) {
  std::vector<EvaluationRow> rows;
  std::vector<at::Tensor> expected;
  for (int i = 0; i < 6; ++i) {
    rows.push_back(Row(i));
    expected.push_back(ExpectedRow(i));
    if (i % 2 == 0) continue;
    rows.back().told.Set(Condition::kText, at::full({4, 3}, i));
    expected.back() += 6 * i;
  }
  const std::vector<RowResult> results = Run(rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_FALSE(results[i].error);
    EXPECT_TRUE(at::equal(results[i].output, expected[i])) << i;
  }
  EXPECT_EQ(denoiser_.largest, batched() ? 4 : 1);  // three and three, padded
}

TEST_P(RowExecutorTest, AnErrorFailsTheRowOrTheBatchAndNothingAfterIt) {
  std::vector<EvaluationRow> rows = {Row(1), Row(2), Row(3)};
  rows[1].sample = at::full({1, 2, 4}, std::numeric_limits<float>::quiet_NaN());
  const std::vector<RowResult> results = Run(rows);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(results[i].error != nullptr, batched() || i == 1) << i;
  try {
    std::rethrow_exception(results[1].error);
  } catch (const std::exception& e) {
    EXPECT_THAT(e.what(), HasSubstr("a row it cannot take"));
  }
  rows[1] = Row(2);
  for (const RowResult& result : Run(rows)) EXPECT_FALSE(result.error);
}

INSTANTIATE_TEST_SUITE_P(All, RowExecutorTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Batched" : "SideBySide"; });

}  // namespace
}  // namespace mind::diffusion
