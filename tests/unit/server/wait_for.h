// Waiting for what other threads do; no test depends on how long that takes.
#ifndef MIND_TESTS_UNIT_SERVER_WAIT_FOR_H_
#define MIND_TESTS_UNIT_SERVER_WAIT_FOR_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mind::server {

// Polls until it holds; fails the test after a minute.
template <typename Condition>
void WaitFor(const std::string& what, const Condition& condition) {
  const absl::Time give_up = absl::Now() + absl::Minutes(1);
  while (!condition()) {
    ASSERT_LT(absl::Now(), give_up) << "waited in vain for " << what;
    absl::SleepFor(absl::Milliseconds(2));
  }
}

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_WAIT_FOR_H_
