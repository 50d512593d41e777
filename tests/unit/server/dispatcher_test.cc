#include "server/dispatch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

constexpr uint32_t kSteps = 10;

class DispatcherTest : public testing::Test {
 protected:
  v1::Job Job(const std::string& id, uint32_t images = 1, v1::Priority priority = v1::PRIORITY_NORMAL) {
    v1::Job job;
    job.set_id(id);
    job.set_tenant("t");
    job.set_state(v1::JOB_STATE_QUEUED);
    job.set_priority(priority);
    job.mutable_spec()->set_model("m");
    job.mutable_spec()->set_steps(kSteps);
    job.mutable_spec()->set_image_count(images);
    job.set_steps_total(kSteps * images);
    *job.mutable_create_time() = ToTimestamp(now_.wall);
    return job;
  }

  Actions Submit(const std::string& id, uint32_t images = 1) {
    return dispatcher_.OnSubmit(Job(id, images), 10, {}, now_);
  }

  Actions Connect(const std::string& name, uint32_t max_images = 4, const std::string& model = "m") {
    v1::Register registration;
    registration.set_name(name);
    registration.add_models()->set_name(model);
    Actions actions = dispatcher_.OnWorkerConnected(registration, now_);
    v1::ConnectRequest capacity;
    capacity.mutable_capacity()->set_max_images(max_images);
    const Actions more = dispatcher_.OnWorkerMessage(name, capacity, now_);
    actions.insert(actions.end(), more.begin(), more.end());
    return actions;
  }

  static v1::ImageRef Ref(const std::string& job, uint32_t attempt, uint32_t image = 0) {
    v1::ImageRef ref;
    ref.set_job_id(job);
    ref.set_attempt(attempt);
    ref.set_image_index(image);
    return ref;
  }

  Actions Result(const std::string& worker, const v1::ImageRef& ref) {
    v1::ConnectRequest message;
    *message.mutable_image_result()->mutable_image() = ref;
    return dispatcher_.OnWorkerMessage(worker, message, now_);
  }
  Actions Progress(const std::string& worker, const v1::ImageRef& ref, uint32_t step) {
    v1::ConnectRequest message;
    *message.mutable_image_progress()->mutable_image() = ref;
    message.mutable_image_progress()->set_step(step);
    return dispatcher_.OnWorkerMessage(worker, message, now_);
  }
  Actions Checkpoint(const std::string& worker, const v1::ImageRef& ref, uint32_t step) {
    v1::ConnectRequest message;
    *message.mutable_image_checkpoint()->mutable_image() = ref;
    message.mutable_image_checkpoint()->set_step(step);
    message.mutable_image_checkpoint()->set_data("state at " + std::to_string(step));
    return dispatcher_.OnWorkerMessage(worker, message, now_);
  }
  Actions Failure(const std::string& worker, const v1::ImageRef& ref, const absl::Status& status) {
    v1::ConnectRequest message;
    *message.mutable_image_failure()->mutable_image() = ref;
    *message.mutable_image_failure()->mutable_error() = ToProto(status);
    return dispatcher_.OnWorkerMessage(worker, message, now_);
  }

  template <typename A>
  static std::vector<A> Of(const Actions& actions) {
    std::vector<A> found;
    for (const Action& action : actions) {
      if (const A* const a = std::get_if<A>(&action)) found.push_back(*a);
    }
    return found;
  }

  void Pass(absl::Duration time) { now_ = {now_.wall + time, now_.steady + time}; }

  Moment now_ = {absl::UnixEpoch() + absl::Hours(1), absl::Hours(5)};
  Dispatcher dispatcher_{{.lease = absl::Seconds(10), .max_stalled_attempts = 3}};
};

TEST_F(DispatcherTest, AssignsToAWorkerThatServesTheModel) {
  EXPECT_TRUE(Of<SendAssign>(Submit("j")).empty());
  EXPECT_TRUE(Of<SendAssign>(Connect("other", 4, "another model")).empty());
  const auto assigned = Of<SendAssign>(Connect("w"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].worker, "w");
  EXPECT_EQ(assigned[0].assign.attempt(), 1U);
  EXPECT_EQ(dispatcher_.Find("j")->state(), v1::JOB_STATE_RUNNING);
}

TEST_F(DispatcherTest, SendsNothingBeforeTheWorkerSaysItsCapacity) {
  Submit("j");
  v1::Register registration;
  registration.set_name("w");
  registration.add_models()->set_name("m");
  EXPECT_TRUE(Of<SendAssign>(dispatcher_.OnWorkerConnected(registration, now_)).empty());
  EXPECT_TRUE(Of<SendAssign>(dispatcher_.OnTick(now_)).empty());
}

TEST_F(DispatcherTest, RespectsRoomAndSpreadsTheLoad) {
  Connect("w1", 2);
  Connect("w2", 2);
  std::map<std::string, int> count;
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    for (const SendAssign& send : Of<SendAssign>(Submit(id))) ++count[send.worker];
  }
  EXPECT_EQ(count["w1"], 2);
  EXPECT_EQ(count["w2"], 2);
  EXPECT_EQ(dispatcher_.queued_jobs(), 1U);
}

TEST_F(DispatcherTest, AJobLargerThanAnyWorkersRoomRunsOnAnIdleOne) {
  Connect("w", 2);
  EXPECT_EQ(Of<SendAssign>(Submit("j", 5)).size(), 1U);
}

TEST_F(DispatcherTest, PrefersTheWorkerThatHasTheModelLoaded) {
  Connect("cold");
  Connect("warm");
  v1::ConnectRequest capacity;
  capacity.mutable_capacity()->set_max_images(4);
  capacity.mutable_capacity()->add_loaded_models("m");
  dispatcher_.OnWorkerMessage("warm", capacity, now_);
  EXPECT_EQ(Of<SendAssign>(Submit("j"))[0].worker, "warm");
}

TEST_F(DispatcherTest, HighPriorityFindsRoomWhereLowerJobsFillIt) {
  Connect("w", 1);
  Submit("normal");
  const Actions actions = dispatcher_.OnSubmit(Job("high", 1, v1::PRIORITY_HIGH), 10, {}, now_);
  ASSERT_EQ(Of<SendAssign>(actions).size(), 1U);
  EXPECT_EQ(Of<SendAssign>(actions)[0].assign.priority(), v1::PRIORITY_HIGH);
}

TEST_F(DispatcherTest, ALostWorkersJobGoesOnElsewhereFromItsNewestCheckpoint) {
  Connect("w1");
  Submit("j", 2);
  Checkpoint("w1", Ref("j", 1, 0), 4);
  Checkpoint("w1", Ref("j", 1, 0), 6);
  Checkpoint("w1", Ref("j", 1, 0), 5);  // overtaken on the way
  EXPECT_TRUE(Of<JobEndedAction>(Result("w1", Ref("j", 1, 1))).empty());
  Connect("w2");
  const Actions actions = dispatcher_.OnWorkerLost("w1", now_);
  ASSERT_EQ(Of<JobRequeuedAction>(actions).size(), 1U);
  const auto assigned = Of<SendAssign>(actions);
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].worker, "w2");
  EXPECT_EQ(assigned[0].assign.attempt(), 2U);
  ASSERT_EQ(assigned[0].assign.images_size(), 1);  // the other is done
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 6");
  const auto ended = Of<JobEndedAction>(Result("w2", Ref("j", 2, 0)));
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].job.state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(DispatcherTest, AnOldAttemptsResultIsNotAccepted) {
  Connect("w1");
  Submit("j");
  Connect("w2");
  dispatcher_.OnWorkerLost("w1", now_);
  Connect("w1");
  EXPECT_FALSE(dispatcher_.AcceptsResult("w1", Ref("j", 1)));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w2", Ref("j", 1)));
  EXPECT_TRUE(dispatcher_.AcceptsResult("w2", Ref("j", 2)));
  EXPECT_TRUE(Of<JobEndedAction>(Result("w1", Ref("j", 1))).empty());
}

TEST_F(DispatcherTest, AResultCountsOnce) {
  Connect("w");
  Submit("j", 2);
  Result("w", Ref("j", 1, 0));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w", Ref("j", 1, 0)));
  EXPECT_TRUE(Of<JobEndedAction>(Result("w", Ref("j", 1, 0))).empty());
  EXPECT_EQ(dispatcher_.Find("j")->images_done(), 1U);
}

TEST_F(DispatcherTest, AnOldAttemptsCheckpointIsUsed) {
  Connect("w1");
  Submit("j");
  dispatcher_.OnWorkerLost("w1", now_);
  v1::Register registration;
  registration.set_name("w1");
  registration.add_models()->set_name("m");
  dispatcher_.OnWorkerConnected(registration, now_);
  Checkpoint("w1", Ref("j", 1), 7);
  v1::ConnectRequest capacity;
  capacity.mutable_capacity()->set_max_images(1);
  const auto assigned = Of<SendAssign>(dispatcher_.OnWorkerMessage("w1", capacity, now_));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 7");
}

TEST_F(DispatcherTest, SilenceEndsTheLease) {
  Connect("w");
  Submit("j");
  Pass(absl::Seconds(9));
  EXPECT_TRUE(Of<DropWorker>(dispatcher_.OnTick(now_)).empty());
  Progress("w", Ref("j", 1), 3);
  Pass(absl::Seconds(9));
  EXPECT_TRUE(Of<DropWorker>(dispatcher_.OnTick(now_)).empty());
  Pass(absl::Seconds(2));
  const Actions actions = dispatcher_.OnTick(now_);
  EXPECT_EQ(Of<DropWorker>(actions).size(), 1U);
  EXPECT_EQ(Of<JobRequeuedAction>(actions).size(), 1U);
  EXPECT_EQ(dispatcher_.workers(), 0U);
}

TEST_F(DispatcherTest, CancellingARunningJobTellsItsWorker) {
  Connect("w", 1);
  Submit("j");
  Submit("next");
  const Actions actions = dispatcher_.OnCancel("j", absl::CancelledError("enough"), now_);
  ASSERT_EQ(Of<SendCancel>(actions).size(), 1U);
  EXPECT_EQ(Of<JobEndedAction>(actions)[0].job.state(), v1::JOB_STATE_CANCELLED);
  // Its room is free when the worker says so, not before.
  EXPECT_TRUE(Of<SendAssign>(actions).empty());
  v1::ConnectRequest cancelled;
  *cancelled.mutable_image_cancelled()->mutable_image() = Ref("j", 1);
  EXPECT_EQ(Of<SendAssign>(dispatcher_.OnWorkerMessage("w", cancelled, now_)).size(), 1U);
}

TEST_F(DispatcherTest, ADeadlineEndsWaitingAndRunningJobs) {
  Connect("w", 1);
  for (const char* id : {"runs", "waits"}) {
    v1::Job job = Job(id);
    *job.mutable_deadline() = ToTimestamp(now_.wall + absl::Seconds(5));
    dispatcher_.OnSubmit(job, 10, {}, now_);
  }
  Pass(absl::Seconds(6));
  const auto ended = Of<JobEndedAction>(dispatcher_.OnTick(now_));
  ASSERT_EQ(ended.size(), 2U);
  for (const JobEndedAction& action : ended) {
    EXPECT_EQ(action.job.error().code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
  }
}

TEST_F(DispatcherTest, AFailureEndsTheJobAndStopsItsOtherPictures) {
  Connect("w");
  Submit("j", 3);
  const Actions actions = Failure("w", Ref("j", 1, 1), absl::InternalError("broken"));
  EXPECT_EQ(Of<JobEndedAction>(actions)[0].job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(Of<SendCancel>(actions).size(), 1U);
}

TEST_F(DispatcherTest, ABadCheckpointSendsThePictureBackToTheStart) {
  Connect("w");
  Submit("j");
  Checkpoint("w", Ref("j", 1), 5);
  const Actions actions = Failure("w", Ref("j", 1), absl::DataLossError("damaged"));
  EXPECT_TRUE(Of<JobEndedAction>(actions).empty());
  const auto assigned = Of<SendAssign>(actions);
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "");
}

TEST_F(DispatcherTest, AJobThatKeepsKillingItsWorkersIsFailed) {
  Submit("j");
  Actions actions;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "w" + std::to_string(i);
    Connect(name);
    actions = dispatcher_.OnWorkerLost(name, now_);
  }
  ASSERT_EQ(Of<JobEndedAction>(actions).size(), 1U);
  EXPECT_THAT(Of<JobEndedAction>(actions)[0].job.error().message(),
              testing::HasSubstr("lost its worker 3 times"));
}

TEST_F(DispatcherTest, ADrainingWorkerGetsNothingAndHandsBack) {
  Connect("w1");
  Submit("j");
  v1::ConnectRequest draining;
  draining.mutable_draining();
  dispatcher_.OnWorkerMessage("w1", draining, now_);
  EXPECT_TRUE(Of<SendAssign>(Submit("k")).empty());
  v1::ConnectRequest handed;
  *handed.mutable_image_handed_back()->mutable_image() = Ref("j", 1);
  handed.mutable_image_handed_back()->set_step(6);
  handed.mutable_image_handed_back()->set_checkpoint("state at 6");
  EXPECT_EQ(Of<JobRequeuedAction>(dispatcher_.OnWorkerMessage("w1", handed, now_)).size(), 1U);
  const auto assigned = Of<SendAssign>(Connect("w2"));
  ASSERT_EQ(assigned.size(), 2U);
  EXPECT_EQ(assigned[0].assign.job_id(), "j");  // work that had begun goes first
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 6");
}

TEST_F(DispatcherTest, ARestartedServerDoesNotMakeFinishedPicturesAgain) {
  Connect("w");
  const auto assigned = Of<SendAssign>(dispatcher_.OnSubmit(Job("j", 3), 10, {0, 2}, now_));
  ASSERT_EQ(assigned[0].assign.images_size(), 1);
  EXPECT_EQ(assigned[0].assign.images(0).image_index(), 1U);
  EXPECT_EQ(Of<JobEndedAction>(dispatcher_.OnSubmit(Job("k", 2), 10, {0, 1}, now_)).size(), 1U);
}

// Workers come and go, messages of dead attempts arrive late, jobs are cancelled; in the end every job has
// ended exactly once, and no result of an old attempt was accepted.
TEST_F(DispatcherTest, SurvivesAThousandRandomFaults) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    Dispatcher dispatcher({.lease = absl::Seconds(10), .max_stalled_attempts = 1000});
    std::map<std::string, int> ended;
    std::vector<std::pair<std::string, v1::ImageRef>> in_flight;  // assignments that some worker believes in
    const auto note = [&](const Actions& actions) {
      for (const SendAssign& send : Of<SendAssign>(actions)) {
        for (const auto& image : send.assign.images()) {
          in_flight.emplace_back(send.worker,
                                 Ref(send.assign.job_id(), send.assign.attempt(), image.image_index()));
        }
      }
      for (const JobEndedAction& action : Of<JobEndedAction>(actions)) ++ended[action.job.id()];
    };
    const auto connect = [&](const std::string& name) {
      v1::Register registration;
      registration.set_name(name);
      registration.add_models()->set_name("m");
      note(dispatcher.OnWorkerConnected(registration, now_));
      v1::ConnectRequest capacity;
      capacity.mutable_capacity()->set_max_images(3);
      note(dispatcher.OnWorkerMessage(name, capacity, now_));
    };
    int submitted = 0;
    for (int event = 0; event < 300; ++event) {
      Pass(absl::Milliseconds(pick(200)));
      const std::string worker = "w" + std::to_string(pick(3));
      switch (pick(8)) {
        case 0:
          if (submitted < 30)
            note(dispatcher.OnSubmit(Job("j" + std::to_string(submitted++), 1 + pick(3)), 10, {}, now_));
          break;
        case 1:
          connect(worker);
          break;
        case 2:
          note(dispatcher.OnWorkerLost(worker, now_));
          break;
        case 3:
          if (submitted > 0 && pick(4) == 0) {
            note(dispatcher.OnCancel("j" + std::to_string(pick(static_cast<uint32_t>(submitted))),
                                     absl::CancelledError(""), now_));
          }
          break;
        case 4:
          note(dispatcher.OnTick(now_));
          break;
        default: {  // some worker reports on something, perhaps long after it lost it
          if (in_flight.empty()) break;
          const auto [name, ref] = in_flight[pick(static_cast<uint32_t>(in_flight.size()))];
          v1::ConnectRequest message;
          if (pick(3) == 0) {
            *message.mutable_image_result()->mutable_image() = ref;
          } else {
            *message.mutable_image_checkpoint()->mutable_image() = ref;
            message.mutable_image_checkpoint()->set_step(1 + pick(kSteps));
            message.mutable_image_checkpoint()->set_data("x");
          }
          note(dispatcher.OnWorkerMessage(name, message, now_));
          break;
        }
      }
    }
    // Then all goes well.
    connect("w0");
    for (int round = 0; round < 500 && ended.size() < static_cast<size_t>(submitted); ++round) {
      const auto pending = in_flight;
      for (const auto& [name, ref] : pending) {
        v1::ConnectRequest message;
        *message.mutable_image_result()->mutable_image() = ref;
        note(dispatcher.OnWorkerMessage(name, message, now_));
      }
    }
    EXPECT_EQ(ended.size(), static_cast<size_t>(submitted)) << "seed " << seed;
    for (const auto& [id, times] : ended) EXPECT_EQ(times, 1) << id << " seed " << seed;
    EXPECT_EQ(dispatcher.queued_jobs() + dispatcher.running_jobs(), 0U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace mind::server
