#include "client/cli/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::cli {
namespace {

using ::testing::HasSubstr;

client::Picture Second() {
  client::Picture picture;
  picture.index = 1;
  picture.media_type = "image/jpeg";
  return picture;
}

TEST(Output, NamesFilesAfterTheJobOrAsTold) {
  EXPECT_EQ(Output("").FileName("job-7", Second(), 1), "job-7.jpg");
  EXPECT_EQ(Output("").FileName("job-7", Second(), 2), "job-7-1.jpg");
  EXPECT_EQ(Output("a.b/cats.png").FileName("job-7", Second(), 2), "a.b/cats-1.png");
  EXPECT_EQ(Output("a.b/cats").FileName("job-7", Second(), 2), "a.b/cats-1");
}

TEST(Output, AServerCannotChooseThePath) {
  for (const char* id :
       {"../../.ssh/authorized_keys", "/etc/passwd", "-rf", ".bashrc", "", "a b", "a\x1b[2J"})
    EXPECT_EQ(Output("").FileName(id, Second(), 1), "picture.jpg") << id;
}

TEST(Output, SaysBeforehandWhatCannotBeWritten) {
  EXPECT_EQ(Output("").WhyNot(16), "");
  EXPECT_EQ(Output("-").WhyNot(1), "");
  EXPECT_EQ(Output("-").WhyNot(0), "");  // one by default
  EXPECT_THAT(Output("-").WhyNot(2), HasSubstr("standard output takes one picture, and these are 2"));
  EXPECT_THAT(Output("/nowhere/x.png").WhyNot(1), HasSubstr("there is no directory /nowhere"));
  EXPECT_THAT(Output("/tmp").WhyNot(1), HasSubstr("/tmp is a directory"));
  EXPECT_EQ(Output("/dev/null").WhyNot(1), "");  // though nobody but root may make files there
  EXPECT_EQ(Output(::testing::TempDir() + "/x.png").WhyNot(3), "");
}

}  // namespace
}  // namespace mind::cli
