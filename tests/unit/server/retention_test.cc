// How long ended jobs are kept, by tenant.
#include <gmock/gmock.h>

#include <map>
#include <optional>
#include <string>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using testing::ElementsAre;

class RetentionTest : public ServiceRig {
 protected:
  RetentionTest() {
    options_.keep = absl::Hours(24);
    options_.keeps = [this] { return keeps_; };
    Restart();
    worker_ = Connect("w", 4);
  }
  // A job of this tenant that has ended now.
  std::string Done(const std::string& tenant) {
    const auto job = Submit(SmallRequest(), {tenant});
    EXPECT_TRUE(job.ok()) << job.status();
    Cancel(job->id(), {tenant}).IgnoreError();
    return job->id();
  }
  bool IsKept(const std::string& id, const std::string& tenant) { return Get(id, {tenant}).ok(); }

  std::optional<std::map<std::string, absl::Duration>> keeps_ = std::map<std::string, absl::Duration>();
  std::shared_ptr<FakeSession> worker_;
};

TEST_F(RetentionTest, IsTheServersForThoseWithoutATimeOfTheirOwn) {
  const std::string id = Done("a");
  Tick(absl::Hours(23));
  EXPECT_TRUE(IsKept(id, "a"));
  Tick(absl::Hours(2));
  EXPECT_FALSE(IsKept(id, "a"));
}

TEST_F(RetentionTest, IsATenantsOwnBeItShorterOrLonger) {
  *keeps_ = {{"short", absl::Minutes(30)}, {"long", absl::Hours(100)}};
  const std::string gone = Done("short"), kept = Done("long"), usual = Done("a");
  Tick(absl::Hours(1));
  EXPECT_FALSE(IsKept(gone, "short"));
  EXPECT_TRUE(IsKept(usual, "a"));
  Tick(absl::Hours(50));
  EXPECT_FALSE(IsKept(usual, "a"));
  EXPECT_TRUE(IsKept(kept, "long"));
  Tick(absl::Hours(50));
  EXPECT_FALSE(IsKept(kept, "long"));
}

TEST_F(RetentionTest, WhenATimeOfItsOwnIsTakenAwayTheServersHolds) {
  *keeps_ = {{"long", absl::Hours(1000)}};
  const std::string id = Done("long");
  for (int i = 0; i < 5; ++i) Tick(absl::Hours(10));
  EXPECT_TRUE(IsKept(id, "long"));
  keeps_->clear();
  Tick(absl::Minutes(2));
  EXPECT_FALSE(IsKept(id, "long"));
}

TEST_F(RetentionTest, NothingIsForgottenWhileItIsNotKnownWhoHasATimeOfItsOwn) {
  const std::string id = Done("a");
  keeps_.reset();
  Tick(absl::Hours(50));
  EXPECT_TRUE(IsKept(id, "a"));
  keeps_.emplace();
  Tick();
  EXPECT_FALSE(IsKept(id, "a"));
}

TEST_F(RetentionTest, LooksOnceAMinuteAndNotAgainAtWhatItLeft) {
  *keeps_ = {{"long", absl::Hours(1000)}};
  store_.purges.clear();
  Tick(absl::Hours(2));
  ASSERT_EQ(store_.purges.size(), 2U);
  EXPECT_EQ(store_.purges[0].tenant, "long");
  EXPECT_THAT(store_.purges[1].except, ElementsAre("long"));
  EXPECT_EQ(store_.purges[1].ended_since, absl::InfinitePast());
  Tick(absl::Seconds(30));
  EXPECT_EQ(store_.purges.size(), 2U);
  Tick(absl::Seconds(30));
  ASSERT_EQ(store_.purges.size(), 4U);
  EXPECT_EQ(store_.purges[3].ended_since, store_.purges[1].ended_before - absl::Minutes(10));
  Tick(absl::Hours(2));  // now and then from the start: a clock may have been wrong
  EXPECT_EQ(store_.purges[5].ended_since, absl::InfinitePast());
}

TEST_F(RetentionTest, GoesOnUntilNothingIsLeft) {
  for (int i = 0; i < 250; ++i) Done("a");
  store_.purges.clear();
  Tick(absl::Hours(25));
  EXPECT_EQ(store_.purges.size(), 3U);
  EXPECT_EQ(store_.size(), 0U);
}

}  // namespace
}  // namespace mind::server
