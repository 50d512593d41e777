#include "worker/diffusion/engine/row_runner.h"

#include <gtest/gtest.h>

#include <new>

namespace mind::diffusion {
namespace {

struct NoNetwork : Denoiser {
  at::Tensor operator()(const DenoiserInput& input) const override { return input.sample; }
};

// Doubles rows, as long as there are few enough of them at once.
class ScarceExecutor : public RowExecutor {
 public:
  explicit ScarceExecutor(size_t most) : most_(most) {}
  std::vector<RowResult> Run(const Denoiser&, const std::vector<EvaluationRow>& rows) override {
    sizes.push_back(rows.size());
    std::vector<RowResult> results(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].timestep < 0) {
        results[i].error = std::make_exception_ptr(std::runtime_error("bad row"));
      } else if (rows.size() > most_) {
        results[i].error = std::make_exception_ptr(std::bad_alloc());
      } else {
        results[i].output = rows[i].sample * 2;
      }
    }
    return results;
  }
  size_t SameCost(size_t rows) const override { return rows; }

  std::vector<size_t> sizes;

 private:
  const size_t most_;
};

class RowRunnerTest : public testing::Test {
 protected:
  static constexpr size_t kNoLimit = 1000;

  RowRunner::Outcome Run(size_t most, size_t rows, size_t at_once = kNoLimit) {
    auto scarce = std::make_unique<ScarceExecutor>(most);
    executor_ = scarce.get();
    runner_.emplace(std::move(scarce), [this] { ++freed_; });
    std::vector<EvaluationRow> given;
    for (size_t i = 0; i < rows; ++i) {
      given.push_back({.sample = at::full({1, 1, 1}, static_cast<double>(i)),
                       .timestep = i == bad_ ? -1.0 : 0.0,
                       .told = {},
                       .adapters = {}});
    }
    RowRunner::Outcome outcome = runner_->Run(NoNetwork(), given, at_once);
    EXPECT_EQ(outcome.results.size(), rows);
    return outcome;
  }
  static void ExpectAll(const RowRunner::Outcome& outcome) {
    for (size_t i = 0; i < outcome.results.size(); ++i) {
      ASSERT_FALSE(outcome.results[i].error) << i;
      EXPECT_EQ(outcome.results[i].output.item<double>(), 2.0 * static_cast<double>(i));
    }
  }

  ScarceExecutor* executor_ = nullptr;
  std::optional<RowRunner> runner_;
  int freed_ = 0;
  size_t bad_ = kNoLimit;
};

using Sizes = std::vector<size_t>;

TEST_F(RowRunnerTest, WithMemoryForAllTheyAreRunTogether) {
  const auto outcome = Run(8, 8);
  ExpectAll(outcome);
  EXPECT_FALSE(outcome.fits);
  EXPECT_EQ(executor_->sizes, Sizes{8});
  EXPECT_EQ(freed_, 0);
}

TEST_F(RowRunnerTest, HalvesUntilTheyFit) {
  const auto outcome = Run(3, 8);
  ExpectAll(outcome);
  EXPECT_EQ(outcome.fits, 2U);
  EXPECT_EQ(executor_->sizes, (Sizes{8, 4, 4, 2, 2, 2, 2}));
  EXPECT_EQ(freed_, 2);
}

TEST_F(RowRunnerTest, NoMoreThanAllowedAtOnce) {
  const auto outcome = Run(8, 7, 3);
  ExpectAll(outcome);
  EXPECT_FALSE(outcome.fits);
  EXPECT_EQ(executor_->sizes, (Sizes{3, 3, 1}));
}

TEST_F(RowRunnerTest, OneForWhichThereIsNoMemoryByItselfFailsAfterOneMoreTry) {
  const auto outcome = Run(0, 2);
  for (const RowResult& result : outcome.results) EXPECT_TRUE(result.error);
  EXPECT_EQ(outcome.fits, 1U);
  EXPECT_EQ(executor_->sizes, (Sizes{2, 1, 1, 1, 1}));
}

TEST_F(RowRunnerTest, OtherErrorsAreNotTriedAgainAndNeighboursAre) {
  bad_ = 1;
  const auto outcome = Run(2, 4);
  EXPECT_EQ(executor_->sizes, (Sizes{4, 2, 1}));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(outcome.results[i].error != nullptr, i == 1) << i;
}

}  // namespace
}  // namespace mind::diffusion
