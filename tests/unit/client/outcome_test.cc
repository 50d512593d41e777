#include "client/cli/outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/errors.h"

namespace mind::cli {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Outcome, OnlyWhatCanBeTriedAgainIsAFullQueue) {
  const absl::Status full =
      WithRetry(MakeError(StatusCode::kResourceExhausted, "full", "QUEUE_FULL"), absl::Seconds(3));
  EXPECT_EQ(ExitCodeOf(full), kQueueFull);
  EXPECT_THAT(Explain(full, "here"), HasSubstr("Try again in 3s"));
  EXPECT_EQ(ExitCodeOf(MakeError(StatusCode::kResourceExhausted, "no memory", "OUT_OF_MEMORY")), kFailed);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("a message larger than allowed")), kFailed);
}

TEST(Outcome, TerminalsAreSafeFromWhatAServerSays) {
  const std::string text = Explain(absl::InternalError("\x1b[2J\x1b]0;title\x07"
                                                       "engine"),
                                   "here");
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("engine"));
}

}  // namespace
}  // namespace mind::cli
