#include "worker/link/model_watch.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "absl/synchronization/mutex.h"

namespace mind {
namespace {

class ModelWatchTest : public testing::Test {
 protected:
  ModelWatchTest() { ModelWatch::HoldHangups(); }

  ModelWatch::Options Looking(absl::Duration every, int settling = 0) {
    return {.every = every, .settle = absl::Milliseconds(1), .look = [this, settling] {
              const absl::MutexLock lock(&mutex_);
              return ++looks_ < settling;
            }};
  }
  void AwaitLooks(int looks) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [&] { return looks_ >= looks; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Minutes(1)));
  }
  int looks() {
    const absl::MutexLock lock(&mutex_);
    return looks_;
  }

 private:
  absl::Mutex mutex_;
  int looks_ = 0;
};

TEST_F(ModelWatchTest, LooksNowAndThen) {
  const ModelWatch watch(Looking(absl::Milliseconds(1)));
  AwaitLooks(3);
}

TEST_F(ModelWatchTest, LooksUponTheSignalAndSoonAgainWhileThingsChange) {
  const ModelWatch watch(Looking(absl::ZeroDuration(), /*settling=*/4));
  EXPECT_EQ(looks(), 0);
  kill(getpid(), SIGHUP);
  AwaitLooks(4);
}

TEST_F(ModelWatchTest, EndsWhileItWaits) {
  const ModelWatch watch(Looking(absl::Hours(1)));
}

}  // namespace
}  // namespace mind
