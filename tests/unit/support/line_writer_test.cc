#include "proto/support/line_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace mind {
namespace {

class LineWriterTest : public ::testing::Test {
 protected:
  LineWriterTest() {
    std::signal(SIGPIPE, SIG_IGN);  // as every process that has a writer; it may outlive its reader
    EXPECT_EQ(pipe(ends_), 0);
  }
  ~LineWriterTest() override { CloseReader(); }

  LineWriter::Options Options(size_t max_bytes = 1 << 20) const {
    return {.fd = ends_[1], .max_bytes = max_bytes, .dropped_line = [](uint64_t dropped) {
              return "dropped " + std::to_string(dropped) + "\n";
            }};
  }
  // All that comes until there is as much.
  std::string Read(size_t bytes) {
    std::string text;
    char buffer[65536];
    while (text.size() < bytes) {
      const ssize_t count = read(ends_[0], buffer, std::min(sizeof buffer, bytes - text.size()));
      if (count <= 0) break;
      text.append(buffer, static_cast<size_t>(count));
    }
    return text;
  }
  void CloseReader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(LineWriterTest, WritesLinesInOrder) {
  LineWriter writer(Options());
  writer.Write("one\n");
  writer.Write("two\n");
  EXPECT_TRUE(writer.Flush(absl::Seconds(60)));
  EXPECT_EQ(Read(8), "one\ntwo\n");
}

TEST_F(LineWriterTest, NobodyWaitsForAReaderThatDoesNotRead) {
  // More than a pipe and the writer together hold: returns all the same.
  const std::string line(1023, 'x');
  LineWriter writer(Options(64 << 10));
  for (int i = 0; i < 10'000; ++i) writer.Write(line + "\n");
  EXPECT_FALSE(writer.Flush(absl::ZeroDuration()));
  // Read again, it goes on, and says what is missing.
  std::string text;
  while (text.find("dropped ") == std::string::npos) {
    const std::string more = Read(1);
    ASSERT_FALSE(more.empty());
    text += more;
  }
  EXPECT_LT(text.size(), 1'000'000U);
}

}  // namespace
}  // namespace mind
