#include "server/generation/job_id.h"

#include <gtest/gtest.h>

#include <set>

namespace mind::server {
namespace {

// Neither when it was made nor how many others there are: who has one learns nothing of another's.
TEST(JobId, SaysNothingButItself) {
  constexpr int kMade = 2000;
  std::set<std::string> made;
  std::string before;
  int rises = 0;
  for (int i = 0; i < kMade; ++i) {
    const std::string id = NewJobId();
    EXPECT_EQ(id.size(), std::string("job-").size() + 24);
    if (id > before) ++rises;
    before = id;
    made.insert(id);
  }
  EXPECT_EQ(made.size(), size_t{kMade});
  EXPECT_NEAR(rises, kMade / 2, 100);  // eight standard deviations of what chance makes of that
}

}  // namespace
}  // namespace mind::server
