#include "worker/diffusion/engine/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <set>

#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using testing::ElementsAre;
using TrajectoryPtr = std::shared_ptr<Trajectory>;

// Models of any name but "unknown", all one pipeline. Each loads when the test says so.
class FakeModels : public ModelSource {
 public:
  FakeModels() : pipeline_(LoadPipeline(std::string(MIND_TEST_DATA) + "/golden/models/ddpm-cifar", {})) {}

  std::shared_ptr<const Pipeline> GetLoaded(const std::string& name) override {
    if (name == "unknown") throw RequestError("no such model");
    const std::lock_guard lock(mutex_);
    return loaded_.count(name) != 0 ? pipeline_ : nullptr;
  }
  std::shared_ptr<const Pipeline> Get(const std::string& name) override {
    std::function<void()> during;
    bool room = false;
    {
      const std::lock_guard lock(mutex_);
      gets_.push_back(name);
      during = std::exchange(during_[name], nullptr);
      room = room_.count(name) != 0;
    }
    if (during) during();
    const std::lock_guard lock(mutex_);
    if (broken_.count(name) != 0) throw ModelError(name + " is broken");
    if (!room) throw NoRoomNow("no room");
    loaded_.insert(name);
    return pipeline_;
  }
  void NotifyIdle(std::function<void()> on_idle) override {
    const std::lock_guard lock(mutex_);
    on_idle_ = std::move(on_idle);
  }

  void SetLoaded(const std::string& name) { Insert(loaded_, name); }
  void SetBroken(const std::string& name) { Insert(broken_, name); }
  // From now on there is; whoever waits is told.
  void MakeRoomFor(const std::string& name) {
    Insert(room_, name);
    std::function<void()> tell;
    {
      const std::lock_guard lock(mutex_);
      tell = on_idle_;
    }
    tell();
  }
  // Called once, within the next attempt to load this model, when it is decided whether there is
  // room.
  void During(const std::string& name, std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    during_[name] = std::move(call);
  }
  std::vector<std::string> gets() {
    const std::lock_guard lock(mutex_);
    return gets_;
  }

 private:
  void Insert(std::set<std::string>& names, const std::string& name) {
    const std::lock_guard lock(mutex_);
    names.insert(name);
  }

  const std::shared_ptr<const Pipeline> pipeline_;
  std::mutex mutex_;
  std::set<std::string> loaded_, room_, broken_;
  std::map<std::string, std::function<void()>> during_;
  std::vector<std::string> gets_;
  std::function<void()> on_idle_;
};

class AdmissionTest : public testing::Test {
 protected:
  enum class How { kModel, kError, kEnded };

  ~AdmissionTest() override {
    admission_.Close();
    pool_.Close();
  }

  static TrajectoryPtr Of(const std::string& model) {
    auto trajectory = std::make_shared<Trajectory>();
    trajectory->request.model = model;
    trajectory->events = std::make_shared<Recorder>();
    return trajectory;
  }
  TrajectoryPtr Enter(const std::string& model) {
    TrajectoryPtr trajectory = Of(model);
    admission_.Enter(trajectory);
    return trajectory;
  }
  // One that waits for room, and has been refused once.
  TrajectoryPtr KeptOut() {
    TrajectoryPtr trajectory = Enter("b");
    std::promise<void> next_is_tried;
    models_.During("next", [&] { next_is_tried.set_value(); });
    const TrajectoryPtr next = Enter("next");
    next_is_tried.get_future().wait();
    End(next);
    Wait(next);
    return trajectory;
  }
  void End(const TrajectoryPtr& trajectory) {
    trajectory->cancelled = true;
    admission_.Recheck();
  }
  How Wait(const TrajectoryPtr& trajectory) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return how_.count(trajectory) != 0; });
    return how_[trajectory];
  }
  // After all that came before has been looked at: one who is told to end before it comes, and goes.
  bool StillWaits(const TrajectoryPtr& trajectory) {
    const TrajectoryPtr probe = Of("probe");
    probe->cancelled = true;
    admission_.Enter(probe);
    Wait(probe);
    const std::lock_guard lock(mutex_);
    return how_.count(trajectory) == 0;
  }

  FakeModels models_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<TrajectoryPtr, How> how_;  // guarded by mutex_
  ThreadPool pool_{1};
  Admission admission_{
      models_, pool_,
      [this](const TrajectoryPtr& trajectory, std::shared_ptr<const Pipeline> model,
             std::exception_ptr error) {
        const std::lock_guard lock(mutex_);
        EXPECT_EQ(how_.count(trajectory), 0U) << "twice";
        how_[trajectory] = model != nullptr ? How::kModel : error ? How::kError : How::kEnded;
        changed_.notify_all();
      },
      /*most_passes=*/3};
};

TEST_F(AdmissionTest, TellsOnceWhoWaitsForItsModel) {
  const auto side_work = [](const TrajectoryPtr& trajectory) {
    auto& recorder = dynamic_cast<Recorder&>(*trajectory->events);
    const std::lock_guard lock(recorder.mutex);
    return recorder.side_work;
  };
  models_.SetLoaded("a");
  const TrajectoryPtr at_once = Enter("a");
  EXPECT_EQ(Wait(at_once), How::kModel);
  EXPECT_THAT(side_work(at_once), testing::IsEmpty());
  const TrajectoryPtr waiting = KeptOut();  // looked at several times
  models_.MakeRoomFor("b");
  EXPECT_EQ(Wait(waiting), How::kModel);
  EXPECT_THAT(side_work(waiting), ElementsAre(SideWork::kLoading));
}

TEST_F(AdmissionTest, ToldToEndBeforeItComesToWaitBehindAnother) {
  const TrajectoryPtr first = KeptOut();
  const TrajectoryPtr second = Of("c");
  End(second);  // looked for, and not here yet
  admission_.Enter(second);
  EXPECT_EQ(Wait(second), How::kEnded);
  End(first);
  EXPECT_EQ(Wait(first), How::kEnded);
}

TEST_F(AdmissionTest, ToldToEndWhileItIsBeingTried) {
  TrajectoryPtr first = Of("x");
  models_.During("x", [&] { End(first); });
  admission_.Enter(first);
  EXPECT_EQ(Wait(first), How::kEnded);
}

TEST_F(AdmissionTest, ToldToEndWhileTheOneBeforeItIsBeingTried) {
  TrajectoryPtr second = Of("c");
  models_.During("x", [&] {
    admission_.Enter(second);
    End(second);
  });
  const TrajectoryPtr first = Enter("x");
  EXPECT_EQ(Wait(second), How::kEnded);
  EXPECT_TRUE(StillWaits(first));
  End(first);
  EXPECT_EQ(Wait(first), How::kEnded);
}

TEST_F(AdmissionTest, ToldToEndAtAnyPlace) {
  std::vector<TrajectoryPtr> waiting = {KeptOut()};
  for (const char* model : {"b", "c", "d", "e", "b"}) waiting.push_back(Enter(model));
  for (const size_t place : {3, 5, 0, 1, 4, 2}) {
    if (place % 2 == 0) {
      End(waiting[place]);
    } else {
      waiting[place]->handed_back = true;
      admission_.Recheck();
    }
    EXPECT_EQ(Wait(waiting[place]), How::kEnded) << place;
  }
}

// There was none when the try began, and there is before it is over.
TEST_F(AdmissionTest, RoomThatComesDuringATryIsNotMissed) {
  models_.During("x", [this] { models_.MakeRoomFor("x"); });
  EXPECT_EQ(Wait(Enter("x")), How::kModel);
  EXPECT_THAT(models_.gets(), ElementsAre("x", "x"));
}

TEST_F(AdmissionTest, SomePassAndThenNobody) {
  models_.SetLoaded("a");
  const TrajectoryPtr kept_out = KeptOut();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Wait(Enter("a")), How::kModel) << i;
  const TrajectoryPtr next = Enter("a");
  EXPECT_TRUE(StillWaits(next));
  EXPECT_TRUE(StillWaits(kept_out));
  models_.MakeRoomFor("b");
  EXPECT_EQ(Wait(kept_out), How::kModel);
  EXPECT_EQ(Wait(next), How::kModel);
}

TEST_F(AdmissionTest, WhoIsBehindAClosedGateGoesWhenTheOneThatKeptItEnds) {
  models_.SetLoaded("a");
  const TrajectoryPtr kept_out = KeptOut();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Wait(Enter("a")), How::kModel) << i;
  const TrajectoryPtr next = Enter("a");
  EXPECT_TRUE(StillWaits(next));
  End(kept_out);
  EXPECT_EQ(Wait(next), How::kModel);
  EXPECT_EQ(Wait(kept_out), How::kEnded);
}

TEST_F(AdmissionTest, OthersGoOnWhileAModelLoadsAndItLoadsOnce) {
  models_.SetLoaded("a");
  models_.MakeRoomFor("x");
  std::promise<void> loading, go_on;
  models_.During("x", [&] {
    loading.set_value();
    go_on.get_future().wait();
  });
  const TrajectoryPtr first = Enter("x");
  loading.get_future().wait();
  const TrajectoryPtr second = Enter("x");
  for (int i = 0; i < 9; ++i) EXPECT_EQ(Wait(Enter("a")), How::kModel);
  EXPECT_TRUE(StillWaits(first));
  EXPECT_TRUE(StillWaits(second));
  go_on.set_value();
  EXPECT_EQ(Wait(first), How::kModel);
  EXPECT_EQ(Wait(second), How::kModel);
  EXPECT_THAT(models_.gets(), ElementsAre("x"));
}

TEST_F(AdmissionTest, AModelThatCannotBeLoadedFailsThoseWhoWaitForIt) {
  models_.SetBroken("x");
  std::promise<void> both_here;
  models_.During("x", [&] { both_here.get_future().wait(); });
  const TrajectoryPtr first = Enter("x"), second = Enter("x"), other = Enter("y");
  both_here.set_value();
  EXPECT_EQ(Wait(first), How::kError);
  EXPECT_EQ(Wait(second), How::kError);
  EXPECT_TRUE(StillWaits(other));
  EXPECT_EQ(Wait(Enter("unknown")), How::kError);
  End(other);
  EXPECT_EQ(Wait(other), How::kEnded);
}

}  // namespace
}  // namespace mind::diffusion
