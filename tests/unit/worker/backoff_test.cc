#include "worker/link/backoff.h"

#include <gtest/gtest.h>

namespace mind {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Code = absl::StatusCode;

TEST(Backoff, DoublesUpToTheLongest) {
  Backoff backoff({.first = Seconds(1), .longest = Seconds(5)});
  for (const int seconds : {1, 2, 4, 5, 5})
    EXPECT_EQ(backoff.Next(absl::ZeroDuration(), Code::kUnavailable), Seconds(seconds));
}

TEST(Backoff, AStreamClosedAtOnceDoesNotBeginAnew) {
  Backoff backoff({.first = Seconds(1), .longest = Seconds(5)});
  EXPECT_EQ(backoff.Next(Milliseconds(50), Code::kOk), Seconds(1));
  EXPECT_EQ(backoff.Next(Milliseconds(50), Code::kOk), Seconds(2));
  EXPECT_EQ(backoff.Next(absl::Hours(1), Code::kUnavailable), Seconds(1));
}

TEST(Backoff, ATakenNameIsWaitedForLonger) {
  Backoff backoff({.first = Seconds(1), .longest = Seconds(5), .longest_of_a_taken_name = Seconds(30)});
  for (const int seconds : {5, 10, 20, 30, 30})
    EXPECT_EQ(backoff.Next(absl::ZeroDuration(), Code::kAlreadyExists), Seconds(seconds));
  EXPECT_EQ(backoff.Next(absl::ZeroDuration(), Code::kUnavailable), Seconds(5));
}

}  // namespace
}  // namespace mind
