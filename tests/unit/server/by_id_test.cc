#include "server/queue/by_id.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

int asked = 0;  // how often any was asked for its id

class Named {
 public:
  explicit Named(std::string id) : id_(std::move(id)) {}
  const std::string& id() const {
    ++asked;
    return id_;
  }

 private:
  std::string id_;
};

TEST(ById, FindsWhatItHasUntilThatIsTaken) {
  ById<Named> named;
  Named& a = named.Insert(std::make_unique<Named>("a"));
  Named& b = named.Insert(std::make_unique<Named>("b"));
  EXPECT_EQ(named.size(), 2U);
  EXPECT_EQ(named.Find("a"), &a);
  EXPECT_EQ(named.Find("b"), &b);
  EXPECT_EQ(named.Find("c"), nullptr);
  const std::unique_ptr<Named> taken = named.Take(a.id());
  EXPECT_EQ(taken.get(), &a);
  EXPECT_EQ(named.Find("a"), nullptr);
  EXPECT_EQ(named.Find("b"), &b);
  EXPECT_EQ(named.size(), 1U);
}

// A table that moves all it has asks each for its id again.
TEST(ById, MovesFewAtATimeHoweverManyThereAre) {
  constexpr int kMany = 200'000;
  ById<Named> named;
  int most = 0;
  for (int i = 0; i < kMany; ++i) {
    asked = 0;
    named.Insert(std::make_unique<Named>(absl::StrCat("job-", i)));
    most = std::max(most, asked);
  }
  EXPECT_EQ(named.size(), kMany);
  EXPECT_LE(most, kMany / 100);
  for (int i = 0; i < kMany; ++i) ASSERT_NE(named.Find(absl::StrCat("job-", i)), nullptr);
}

}  // namespace
}  // namespace mind::server
