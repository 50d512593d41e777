#include "worker/diffusion/processors.h"

#include <gtest/gtest.h>

#include <fstream>

namespace mind {
namespace {

namespace fs = std::filesystem;

class Processors : public ::testing::Test {
 protected:
  Processors() {
    const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(::testing::TempDir()) / (std::string("processors-") + test->name());
    fs::remove_all(root_);
  }
  ~Processors() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }

  fs::path root_;
};

TEST_F(Processors, FollowTheQuotaOfVersion2) {
  Write("proc/self/cgroup", "0::/");
  Write("sys/fs/cgroup/cpu.max", "max 100000");
  EXPECT_FALSE(ProcessorQuota(root_).has_value());
  Write("sys/fs/cgroup/cpu.max", "150000 100000");
  EXPECT_DOUBLE_EQ(ProcessorQuota(root_).value_or(0), 1.5);
}

TEST_F(Processors, TheSmallestQuotaOnTheWayUpCounts) {
  Write("proc/self/cgroup", "0::/pods/one/container");
  Write("sys/fs/cgroup/pods/one/container/cpu.max", "max 100000");
  Write("sys/fs/cgroup/pods/one/cpu.max", "200000 100000");
  Write("sys/fs/cgroup/pods/cpu.max", "400000 100000");
  EXPECT_DOUBLE_EQ(ProcessorQuota(root_).value_or(0), 2);
}

TEST_F(Processors, FollowTheQuotaOfVersion1) {
  Write("proc/self/cgroup", "5:memory:/docker/a\n4:cpu,cpuacct:/docker/a");
  // A container's own group is mounted at the top.
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_FALSE(ProcessorQuota(root_).has_value());
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000");
  EXPECT_DOUBLE_EQ(ProcessorQuota(root_).value_or(0), 2.5);
}

TEST_F(Processors, NoControlGroupsMeanNoQuota) {
  EXPECT_FALSE(ProcessorQuota(root_).has_value());
  EXPECT_GE(UsableProcessors(), 1);
}

}  // namespace
}  // namespace mind
