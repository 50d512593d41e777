#include "tests/support/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <stdexcept>

#include "tests/support/temporary_folder.h"

namespace mind::support {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Shell(const std::string& script) {
  return {"/bin/sh", "-c", script};
}

TEST(Process, GivesTheLineAndTheStatus) {
  const TemporaryFolder folder;
  Process process(Shell("echo one; echo port 7; echo wrong >&2; exit 3"), (folder / "p").string());
  EXPECT_EQ(process.AwaitLine("port "), "port 7");
  EXPECT_EQ(process.Wait(), 3);
  EXPECT_FALSE(process.running());
  EXPECT_EQ(process.Errors(), "wrong\n");
}

TEST(Process, SaysWhichSignalEndedIt) {
  const TemporaryFolder folder;
  Process process(Shell("echo begun; kill -STOP $$"), (folder / "p").string());
  process.AwaitLine("begun");
  process.Kill(SIGKILL);
  EXPECT_EQ(process.Wait(), -SIGKILL);
}

TEST(Process, ThatEndsWithoutSayingItIsAnError) {
  const TemporaryFolder folder;
  Process process(Shell("echo one; echo no luck >&2"), (folder / "p").string());
  try {
    process.AwaitLine("two");
    ADD_FAILURE() << "found a line";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no luck"));
  }
}

TEST(Process, DoesNotGiveWhatAnEarlierOneHasSaid) {
  const TemporaryFolder folder;
  const std::string stem = (folder / "p").string();
  EXPECT_EQ(Process(Shell("echo port 1"), stem).AwaitLine("port "), "port 1");
  EXPECT_EQ(Process(Shell("echo port 2"), stem).AwaitLine("port "), "port 2");
}

TEST(Process, ThatCannotWriteItsOutputIsNotBegun) {
  const TemporaryFolder folder;
  EXPECT_THROW(Process(Shell("echo one"), (folder / "none" / "p").string()), std::system_error);
}

}  // namespace
}  // namespace mind::support
