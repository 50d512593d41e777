#include "worker/training/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"

namespace mind::training {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class FilesTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::set<std::string> Names(const std::string& folder) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
    return names;
  }

  const support::TemporaryFolder folder_;
};

TEST_F(FilesTest, AFileIsReplacedAndNothingIsLeftBeside) {
  WriteFile(Path("a"), "one");
  WriteFile(Path("a"), "two");
  EXPECT_EQ(Read(Path("a")), "two");
  EXPECT_THAT(Names(folder_.string()), ElementsAre("a"));
  EXPECT_THROW(WriteFile(Path("missing/a"), "one"), diffusion::Error);
}

TEST_F(FilesTest, AFolderIsReplacedAsAWhole) {
  WriteFolder(Path("model"), [](const std::string& beside) {
    fs::create_directory(beside + "/unet");
    WriteFile(beside + "/unet/weights", "one");
    WriteFile(beside + "/old", "one");
  });
  WriteFolder(Path("model"), [&](const std::string& beside) {
    // Until it is whole the reader sees what was there.
    EXPECT_EQ(Read(Path("model/unet/weights")), "one");
    fs::create_directory(beside + "/unet");
    WriteFile(beside + "/unet/weights", "two");
    EXPECT_EQ(Read(Path("model/unet/weights")), "one");
  });
  EXPECT_EQ(Read(Path("model/unet/weights")), "two");
  EXPECT_THAT(Names(Path("model")), ElementsAre("unet"));
  EXPECT_THAT(Names(folder_.string()), ElementsAre("model"));
}

TEST_F(FilesTest, AFolderThatCannotBeFilledLeavesTheOneBefore) {
  WriteFolder(Path("model"), [](const std::string& beside) { WriteFile(beside + "/a", "one"); });
  const auto fails = [](const std::string& beside) {
    WriteFile(beside + "/a", "two");
    throw diffusion::Error("no more room");
  };
  EXPECT_THROW(WriteFolder(Path("model"), fails), diffusion::Error);
  EXPECT_EQ(Read(Path("model/a")), "one");
  WriteFolder(Path("model"), [](const std::string& beside) { WriteFile(beside + "/b", "three"); });
  EXPECT_THAT(Names(Path("model")), ElementsAre("b"));
}

}  // namespace
}  // namespace mind::training
