// The dispatcher under random events, beside a simple account of what must be true.
#include <random>
#include <set>

#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

using Key = Worker::PictureKey;

class SimulationTest : public DispatcherRig, public testing::WithParamInterface<uint32_t> {
 protected:
  // --- The account.

  struct SimulatedWorker {
    std::map<Key, uint32_t> held;  // with the step it is at
    std::set<Key> stopping;
    bool draining = false;
  };
  struct SimulatedJob {
    uint32_t images = 0;
    uint32_t attempt = 0;
    std::string worker;       // of the newest attempt
    std::set<uint32_t> done;  // pictures whose result was accepted
  };

  uint32_t Pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  template <typename Container>
  auto& OneOf(Container& container) {
    return *std::next(container.begin(), Pick(static_cast<uint32_t>(container.size())));
  }

  void Note(const Actions& actions) {
    for (const Action& action : actions) {
      if (const auto* const send = std::get_if<SendAssign>(&action)) {
        SimulatedJob& job = jobs_.at(send->assign.job_id());
        SimulatedWorker& worker = workers_.at(send->worker);
        EXPECT_FALSE(worker.draining) << "a draining worker is given nothing";
        EXPECT_EQ(send->assign.attempt(), job.attempt + 1);
        job.attempt = send->assign.attempt();
        job.worker = send->worker;
        for (const v1::AssignedImage& image : send->assign.images()) {
          EXPECT_EQ(job.done.count(image.image_index()), 0U) << "a finished picture is not made again";
          const Key key{send->assign.job_id(), job.attempt, image.image_index()};
          worker.held[key] = 0;
          said_.push_back({send->worker, key});
        }
      } else if (const auto* const cancel = std::get_if<SendCancel>(&action)) {
        SimulatedWorker& worker = workers_.at(cancel->worker);
        for (const auto& [key, step] : worker.held) {
          if (key.job == cancel->cancel.job_id() && key.attempt == cancel->cancel.attempt()) {
            worker.stopping.insert(key);
          }
        }
      } else if (const auto* const drop = std::get_if<DropWorker>(&action)) {
        workers_.erase(drop->worker);
      } else if (const auto* const ended = std::get_if<JobEndedAction>(&action)) {
        const SimulatedJob& job = jobs_.at(ended->job.id());
        EXPECT_EQ(ended->job.state() == v1::JOB_STATE_SUCCEEDED, job.done.size() == job.images);
      }
    }
  }

  // After each event: the dispatcher believes of each worker what that worker knows of itself.
  void Check() {
    ASSERT_EQ(dispatcher_.workers(), workers_.size());
    for (const auto& [name, worker] : workers_) {
      ASSERT_EQ(dispatcher_.RunningImages(name), worker.held.size()) << name;
    }
    for (const auto& [name, key] : said_) {
      const bool accepted = dispatcher_.AcceptsResult(name, Ref(key.job, key.attempt, key.image));
      const SimulatedJob& job = jobs_.at(key.job);
      const bool held = workers_.count(name) != 0 && workers_.at(name).held.count(key) != 0;
      const bool newest = job.attempt == key.attempt && job.worker == name;
      ASSERT_FALSE(accepted && !(held && newest && job.done.count(key.image) == 0 && !Ended(key.job)))
          << "accepted an old attempt's picture";
      ASSERT_TRUE(accepted || !held || !newest || Ended(key.job) ||
                  workers_.at(name).stopping.count(key) != 0)
          << "refused the newest attempt's picture";
    }
  }

  // --- Events.

  void ConnectOne(const std::string& name) {
    workers_.erase(name);
    const Actions lost = Register(Registration(name, {Model("m", Pick(2) == 0 ? "" : "A")}));
    workers_[name];
    Note(lost);
    Note(Capacity(
        name, 3,
        Pick(2) == 0 ? std::map<std::string, double>{{"m", 0.01}} : std::map<std::string, double>{}));
  }

  void SubmitOne() {
    const std::string id = "j" + std::to_string(jobs_.size());
    v1::Job job = Job(id, 1 + Pick(4), static_cast<v1::Priority>(1 + Pick(3)));
    job.set_tenant("t" + std::to_string(Pick(3)));
    if (Pick(6) == 0) *job.mutable_deadline() = ToTimestamp(now_.wall + absl::Seconds(1 + Pick(60)));
    jobs_[id].images = job.spec().image_count();
    Note(Submit(job));
  }

  // A worker reports on a picture it holds.
  void Report(const std::string& name, const Key& key) {
    SimulatedWorker& worker = workers_.at(name);
    const v1::ImageRef ref = Ref(key.job, key.attempt, key.image);
    const auto let_go = [&] {
      worker.held.erase(key);
      worker.stopping.erase(key);
    };
    if (worker.stopping.count(key) != 0 && Pick(2) == 0) {
      let_go();
      return Note(Cancelled(name, ref));
    }
    switch (Pick(9)) {
      case 0:
        return Note(Started(name, ref));
      case 1:
      case 2:
      case 3: {
        uint32_t& step = worker.held.at(key);
        step = std::min(step + 1 + Pick(4), kSteps);
        return Note(Progress(name, ref, step));
      }
      case 4:
        return Note(Checkpoint(name, ref, std::min(worker.held.at(key), kSteps - 1)));
      case 5:
      case 6:
        let_go();
        if (dispatcher_.AcceptsResult(name, ref)) jobs_.at(key.job).done.insert(key.image);
        return Note(Result(name, ref));
      case 7: {
        if (Pick(3) != 0) return;
        let_go();
        const absl::Status errors[] = {absl::InternalError("x"), absl::ResourceExhaustedError("x"),
                                       absl::DataLossError("x"), absl::InvalidArgumentError("x")};
        return Note(Failure(name, ref, errors[Pick(4)]));
      }
      default: {
        if (!worker.draining) return;
        const uint32_t step = worker.held.at(key);
        let_go();
        return Note(HandBack(name, ref, std::min(step, kSteps - 1)));
      }
    }
  }

  // Somebody says something about a picture that it may never have held, or lost long ago.
  void Gossip() {
    const auto& [speaker, key] = OneOf(said_);
    const std::string name = Pick(3) == 0 ? "w" + std::to_string(Pick(3)) : speaker;
    if (workers_.count(name) != 0 && workers_.at(name).held.count(key) != 0) return;
    const v1::ImageRef ref = Ref(key.job, key.attempt, key.image + (Pick(5) == 0 ? 7 : 0));
    switch (Pick(6)) {
      case 0:
        EXPECT_FALSE(dispatcher_.AcceptsResult(name, ref));
        return Note(Result(name, ref));
      case 1:
        return Note(Failure(name, ref, absl::InvalidArgumentError("x")));
      case 2:
        return Note(Cancelled(name, ref));
      case 3:
        return Note(HandBack(name, ref, 1 + Pick(kSteps)));
      case 4:
        return Note(Progress(name, ref, 1 + Pick(kSteps)));
      default:
        return Note(Checkpoint(name, ref, 1 + Pick(kSteps)));
    }
  }

  void AnyEvent() {
    const std::string name = "w" + std::to_string(Pick(3));
    switch (Pick(16)) {
      case 0:
      case 1:
        if (jobs_.size() < 40) SubmitOne();
        return;
      case 2:
        return ConnectOne(name);
      case 3:
        if (Pick(2) == 0 || workers_.erase(name) == 0) return;
        return Note(Lose(name));
      case 4:
        if (Pick(3) == 0 && !jobs_.empty()) Note(Cancel(OneOf(jobs_).first));
        return;
      case 5:
        if (Pick(4) != 0 || workers_.count(name) == 0) return;
        workers_.at(name).draining = true;
        return Note(Drain(name));
      case 6:
        Pass(absl::Seconds(Pick(20)));
        return Note(Tick());
      case 7:
      case 8:
        Pass(absl::Milliseconds(Pick(900)));
        return Note(Tick());
      case 9:
      case 10:
        if (!said_.empty()) Gossip();
        return;
      default:
        if (workers_.count(name) == 0 || workers_.at(name).held.empty()) return;
        return Report(name, Key(OneOf(workers_.at(name).held).first));
    }
  }

  std::mt19937 random_{GetParam()};
  std::map<std::string, SimulatedWorker> workers_;
  std::map<std::string, SimulatedJob> jobs_;
  std::vector<std::pair<std::string, Key>> said_;  // everything ever assigned
};

TEST_P(SimulationTest, EveryJobEndsOnceNoOldAttemptCountsAndAllRoomComesBack) {
  for (int event = 0; event < 400; ++event) {
    AnyEvent();
    Check();
    if (HasFatalFailure()) return;
  }
  // Then all goes well.
  for (const char* const name : {"w0", "w1", "w2"}) ConnectOne(name);
  for (int round = 0; round < 1000 && ended_.size() < jobs_.size(); ++round) {
    Pass(absl::Milliseconds(100));
    Note(Tick());
    for (auto& [name, worker] : workers_) {
      const std::map<Key, uint32_t> held = worker.held;
      for (const auto& [key, step] : held) {
        const v1::ImageRef ref = Ref(key.job, key.attempt, key.image);
        worker.held.erase(key);
        if (worker.stopping.erase(key) != 0) {
          Note(Cancelled(name, ref));
          continue;
        }
        ASSERT_TRUE(dispatcher_.AcceptsResult(name, ref));
        jobs_.at(key.job).done.insert(key.image);
        Note(Result(name, ref));
      }
    }
    Check();
  }
  EXPECT_EQ(ended_.size(), jobs_.size());
  EXPECT_EQ(dispatcher_.queued_jobs() + dispatcher_.running_jobs(), 0U);
  for (const char* const name : {"w0", "w1", "w2"}) EXPECT_EQ(dispatcher_.RunningImages(name), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulationTest, testing::Range(0U, 100U));

}  // namespace
}  // namespace mind::server
