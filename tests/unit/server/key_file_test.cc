#include "server/trust/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "tests/unit/server/key_rig.h"

namespace mind::server {
namespace {

using ::testing::HasSubstr;

class KeyFileTest : public testing::Test {
 protected:
  absl::Status Add(const std::string& tenant) const {
    return ChangeKeyFile(path_, [&tenant](KeyTable& table) {
      AddKey(table, KeyLike(tenant, {v1::SCOPE_READ}));
      return absl::OkStatus();
    });
  }

  support::TemporaryFolder folder_;
  const std::string path_ = folder_ / "keys";
};

TEST_F(KeyFileTest, IsMadeByTheFirstChangeForItsOwnerAlone) {
  const absl::StatusOr<KeyTable> none = ReadKeyFile(path_);
  EXPECT_TRUE(absl::IsNotFound(none.status()));
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("mind keys create --file"));
  ASSERT_TRUE(Add("acme").ok());
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(ReadKeyFile(path_)->keys.size(), 1U);
}

TEST_F(KeyFileTest, AChangeThatFailsChangesNothing) {
  ASSERT_TRUE(Add("acme").ok());
  const FileStamp before = FileStamp::Of(path_);
  EXPECT_FALSE(ChangeKeyFile(path_, [](KeyTable& table) {
                 table.keys.clear();
                 return absl::AbortedError("not so");
               }).ok());
  EXPECT_EQ(ReadKeyFile(path_)->keys.size(), 1U);
  EXPECT_TRUE(before == FileStamp::Of(path_));
  ASSERT_TRUE(Add("acme").ok());
  EXPECT_FALSE(before == FileStamp::Of(path_));
}

TEST_F(KeyFileTest, AFileThatIsNoneIsNotWrittenOver) {
  std::ofstream(path_) << "my diary";
  EXPECT_TRUE(absl::IsInvalidArgument(Add("acme")));
  std::string text;
  std::getline(std::ifstream(path_), text);
  EXPECT_EQ(text, "my diary");
}

TEST_F(KeyFileTest, OfTwoWhoChangeItNeitherLosesTheOthersKey) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < 10; ++n) EXPECT_TRUE(Add("acme").ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ReadKeyFile(path_)->keys.size(), 40U);
}

}  // namespace
}  // namespace mind::server
