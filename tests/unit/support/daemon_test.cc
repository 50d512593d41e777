#include "proto/support/daemon.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace mind {
namespace {

using ::testing::ExitedWithCode;

[[noreturn]] void Hang() {
  for (;;) pause();
}

TEST(DaemonDeathTest, TheFirstSignalIsWaitedForAndTheSecondEndsAtOnce) {
  for (const int signal : {SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          HoldTerminationSignals();
          kill(getpid(), signal);
          WaitForTermination();
          _exit(7);
        },
        ExitedWithCode(7), "");
    EXPECT_EXIT(
        {
          HoldTerminationSignals();
          kill(getpid(), SIGTERM);
          WaitForTermination();
          kill(getpid(), signal);
          Hang();
        },
        ExitedWithCode(128 + signal), "");
  }
}

TEST(DaemonDeathTest, ABeginningWithNothingToFinishEndsAtOnce) {
  EXPECT_EXIT(
      {
        HoldTerminationSignals();
        const EndsAtOnce at_once;
        kill(getpid(), SIGTERM);
        Hang();
      },
      ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        HoldTerminationSignals();
        { const EndsAtOnce at_once; }
        kill(getpid(), SIGTERM);
        WaitForTermination();
        _exit(7);
      },
      ExitedWithCode(7), "");
}

}  // namespace
}  // namespace mind
