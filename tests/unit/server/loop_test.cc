#include "server/dispatch/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"

namespace mind::server {
namespace {

using testing::ElementsAre;

constexpr absl::Duration kInterval = absl::Milliseconds(100);

// A loop whose time stands still but where a test moves it. Everything it does is written down.
class LoopTest : public testing::Test {
 protected:
  LoopTest() {
    loop_.Start([this] { done_.push_back("tick"); });
  }
  ~LoopTest() override { loop_.Stop(); }

  void Pass(absl::Duration time) { now_ms_ += absl::ToInt64Milliseconds(time); }
  // What has been done until now, the tick included that is due. It comes after what wakes the loop and what
  // is posted by then.
  std::vector<std::string> Done() {
    std::vector<std::string> done;
    for (int i = 0; i < 2; ++i) loop_.Run([] {});
    loop_.Run([&] { done = done_; });
    return done;
  }
  std::function<void()> Note(const std::string& what) {
    return [this, what] { done_.push_back(what); };
  }

  std::atomic<int64_t> now_ms_ = 1'000'000;
  std::vector<std::string> done_;  // the loop's
  Loop loop_{kInterval, [this] { return absl::Milliseconds(now_ms_.load()); }};
};

TEST_F(LoopTest, RunsInTheOrderOfPosting) {
  for (const char* const what : {"1", "2", "3"}) loop_.Post(Note(what));
  EXPECT_THAT(Done(), ElementsAre("1", "2", "3"));
}

TEST_F(LoopTest, TicksWhenTheIntervalHasPassedByItsClockAndNotBefore) {
  Done();
  Pass(kInterval - absl::Milliseconds(1));
  EXPECT_THAT(Done(), ElementsAre());
  Pass(absl::Milliseconds(1));
  EXPECT_THAT(Done(), ElementsAre("tick"));
  Pass(kInterval / 2);
  EXPECT_THAT(Done(), ElementsAre("tick"));
  Pass(kInterval / 2);
  EXPECT_THAT(Done(), ElementsAre("tick", "tick"));
}

TEST_F(LoopTest, ALateTickComesOnceNotAsOftenAsItWasMissed) {
  Done();
  Pass(50 * kInterval);
  EXPECT_THAT(Done(), ElementsAre("tick"));
  EXPECT_THAT(Done(), ElementsAre("tick"));
}

TEST_F(LoopTest, ALateLoopHearsWhatWasSaidMeanwhileBeforeItTicks) {
  absl::Notification busy, go_on;
  loop_.Post([&] {
    busy.Notify();
    go_on.WaitForNotification();
  });
  busy.WaitForNotification();
  Pass(50 * kInterval);
  loop_.Post(Note("heartbeat"));
  go_on.Notify();
  EXPECT_THAT(Done(), ElementsAre("heartbeat", "tick"));
}

TEST_F(LoopTest, WorkPostedByWorkDoesNotKeepTheTickAway) {
  std::function<void()> again = [&] {
    if (done_.empty()) loop_.Post(again);
  };
  Done();
  Pass(kInterval);
  loop_.Post(again);
  EXPECT_THAT(Done(), ElementsAre("tick"));
}

TEST(LoopEnd, RunsWhatWasPostedBefore) {
  int ran = 0;
  {
    Loop loop(kInterval);
    loop.Start([] {});
    for (int i = 0; i < 100; ++i) loop.Post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(LoopEnd, TakesPostsBeforeItIsStartedAndWhenItHasStopped) {
  std::vector<std::string> done;
  Loop loop(kInterval);
  loop.Post([&done] { done.push_back("before"); });
  EXPECT_THAT(done, ElementsAre());
  loop.Start([] {});
  loop.Stop();
  EXPECT_THAT(done, ElementsAre("before"));
  loop.Post([&done] { done.push_back("after"); });
  EXPECT_THAT(done, ElementsAre("before"));
}

TEST(LoopEnd, TellsHowLongEachThingHasHeldItTicksToo) {
  absl::Duration now;
  std::vector<absl::Duration> held;
  Loop loop(absl::Seconds(1), [&now] { return now; });
  loop.Post([&now] { now += absl::Milliseconds(3); });
  loop.Post([] {});
  loop.Post([&now] { now += absl::Seconds(1); });
  loop.Start([&now] { now += absl::Milliseconds(7); },
             [&held](absl::Duration time) { held.push_back(time); });
  loop.Stop();
  EXPECT_THAT(held, ElementsAre(absl::Milliseconds(3), absl::ZeroDuration(), absl::Seconds(1),
                                absl::Milliseconds(7)));
}

TEST(LoopEnd, TicksByTheMachinesSteadyClock) {
  absl::Notification ticked;
  Loop loop(absl::Milliseconds(1));
  loop.Start([&] {
    if (!ticked.HasBeenNotified()) ticked.Notify();
  });
  ticked.WaitForNotification();
}

}  // namespace
}  // namespace mind::server
