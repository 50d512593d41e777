// The dispatcher under random events, beside a simple account of what must be true.
#include <map>
#include <random>
#include <set>

#include "tests/unit/server/dispatcher_audit.h"
#include "tests/unit/server/dispatcher_rig.h"
#include "tests/unit/simulation/simulation_seeds.h"

namespace mind::server {
namespace {

using Key = Worker::PictureKey;

// One run of random events, from a seed.
class Schedule : public DispatcherRig {
 public:
  explicit Schedule(uint32_t seed)
      : DispatcherRig(WithLimits(seed)), audited_every_(seed % 4 == 0 ? 1 : 20), random_(seed) {}
  void TestBody() override {}

  void Chaos(int events) {
    for (int event = 0; event < events && !HasFailure(); ++event) {
      AnyEvent();
      Check();
    }
  }

  // All goes well from here on: everything ends.
  void Calm() {
    if (HasFailure()) return;
    Place(true);
    for (const char* const name : {"w0", "w1", "w2"}) ConnectOne(name, "A");
    for (int round = 0; round < 3000 && ended_.size() < jobs_.size() && !HasFailure(); ++round) {
      Pass(absl::Milliseconds(500));
      Note(Tick());
      for (const char* const name : {"w0", "w1", "w2"}) Note(Say(name, v1::ConnectRequest()));
      for (auto& [name, worker] : workers_) {
        const std::map<Key, uint32_t> held = worker.held;
        for (const auto& [key, step] : held) Finish(name, key);
      }
      Check();
    }
    EXPECT_EQ(ended_.size(), jobs_.size()) << "a job starves";
    EXPECT_EQ(dispatcher_.queued_jobs() + dispatcher_.running_jobs(), 0U);
    for (const char* const name : {"w0", "w1", "w2"}) EXPECT_EQ(dispatcher_.RunningImages(name), 0U);
  }

 private:
  // In two of three runs a tenant may have no more than one or two pictures running.
  static Dispatcher::Options WithLimits(uint32_t seed) {
    Dispatcher::Options options;
    options.running_limit_of = [limit = seed % 3](const std::string& tenant) {
      return tenant == "t2" ? limit : 0;
    };
    return options;
  }

  // --- The account.

  struct SimulatedWorker {
    std::map<Key, uint32_t> held;  // with the step it is at
    std::set<Key> stopping;
    uint32_t room = 0;
    bool draining = false;
  };
  struct SimulatedJob {
    uint32_t images = 0;
    int priority = 0;
    std::set<uint32_t> attempts;             // every number ever assigned
    std::map<uint32_t, std::string> holder;  // by picture: who makes it
    std::map<uint32_t, uint32_t> attempt;    // by picture: in which attempt
    std::set<uint32_t> done;                 // pictures whose result was accepted
  };

  uint32_t Pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  template <typename Container>
  auto& OneOf(Container& container) {
    return *std::next(container.begin(), Pick(static_cast<uint32_t>(container.size())));
  }

  void Note(const Actions& actions) {
    for (const Action& action : actions) {
      if (const auto* const send = std::get_if<SendAssign>(&action)) {
        NoteAssigned(*send);
      } else if (const auto* const cancel = std::get_if<SendCancel>(&action)) {
        SimulatedWorker& worker = workers_.at(cancel->worker);
        for (const auto& [key, step] : worker.held) {
          if (key.job != cancel->cancel.job_id() || key.attempt != cancel->cancel.attempt()) continue;
          worker.stopping.insert(key);
          Release(key);
        }
      } else if (const auto* const drop = std::get_if<DropWorker>(&action)) {
        LoseSimulated(drop->worker);
      } else if (const auto* const ended = std::get_if<JobEndedAction>(&action)) {
        const SimulatedJob& job = jobs_.at(ended->job.id());
        EXPECT_EQ(ended->job.state() == v1::JOB_STATE_SUCCEEDED, job.done.size() == job.images);
      }
    }
  }

  void NoteAssigned(const SendAssign& send) {
    const std::string& id = send.assign.job_id();
    const uint32_t attempt = send.assign.attempt();
    SimulatedJob& job = jobs_.at(id);
    SimulatedWorker& worker = workers_.at(send.worker);
    EXPECT_FALSE(worker.draining) << "a draining worker is given nothing";
    EXPECT_FALSE(Ended(id)) << "a job that has ended is given to nobody";
    EXPECT_TRUE(job.attempts.insert(attempt).second)
        << "attempt " << attempt << " of " << id << " is assigned twice";
    EXPECT_EQ(*job.attempts.rbegin(), attempt) << "attempts are numbered in order";
    EXPECT_GT(send.assign.images_size(), 0);
    for (const v1::AssignedImage& image : send.assign.images()) {
      const uint32_t index = image.image_index();
      EXPECT_EQ(job.done.count(index), 0U) << "a finished picture is not made again";
      EXPECT_EQ(job.holder.count(index), 0U) << "two make one picture";
      job.holder[index] = send.worker;
      job.attempt[index] = attempt;
      const Key key{id, attempt, index};
      worker.held[key] = 0;
      said_.push_back({send.worker, key});
    }
    uint32_t occupied = 0;
    for (const auto& [key, step] : worker.held)
      occupied += jobs_.at(key.job).priority >= job.priority ? 1 : 0;
    // With what there may be beyond, for tenants who have nothing.
    EXPECT_LE(occupied, worker.room + worker.room / 4) << "more than " << send.worker << " has room for";
  }

  // Nobody makes it any more.
  void Release(const Key& key) {
    SimulatedJob& job = jobs_.at(key.job);
    const auto attempt = job.attempt.find(key.image);
    if (attempt != job.attempt.end() && attempt->second == key.attempt) job.holder.erase(key.image);
  }
  void LetGo(const std::string& name, const Key& key) {
    workers_.at(name).held.erase(key);
    if (workers_.at(name).stopping.erase(key) == 0) Release(key);
  }
  void LoseSimulated(const std::string& name) {
    const auto found = workers_.find(name);
    if (found == workers_.end()) return;
    for (const auto& [key, step] : found->second.held) {
      if (found->second.stopping.count(key) != 0) continue;
      Release(key);
      finished_[name].push_back(key);  // it may have been done when the stream broke
    }
    workers_.erase(found);
  }
  void Finish(const std::string& name, const Key& key) {
    const v1::ImageRef ref = Ref(key.job, key.attempt, key.image);
    const bool stopping = workers_.at(name).stopping.count(key) != 0;
    EXPECT_EQ(dispatcher_.AcceptsResult(name, ref), !stopping);
    LetGo(name, key);
    if (stopping) return Note(Cancelled(name, ref));
    jobs_.at(key.job).done.insert(key.image);
    Note(Result(name, ref));
  }

  // After each event: the dispatcher believes of each worker what that worker knows of itself.
  void Check() {
    EXPECT_EQ(dispatcher_.workers(), workers_.size());
    for (const auto& [name, worker] : workers_) {
      EXPECT_EQ(dispatcher_.RunningImages(name), worker.held.size()) << name;
    }
    const auto& [name, key] = said_.empty() ? nobody_ : OneOf(said_);
    if (!name.empty()) {
      const SimulatedJob& job = jobs_.at(key.job);
      const auto holder = job.holder.find(key.image);
      const bool holds = !Ended(key.job) && holder != job.holder.end() && holder->second == name &&
                         job.attempt.at(key.image) == key.attempt && job.done.count(key.image) == 0;
      EXPECT_EQ(dispatcher_.AcceptsResult(name, Ref(key.job, key.attempt, key.image)), holds)
          << name << " " << key.job << " " << key.attempt << " " << key.image;
    }
    if (++events_ % audited_every_ == 0) DispatcherAudit(dispatcher_, now_).Check();
  }

  // --- Events.

  std::vector<v1::Model> SomeModels(const std::string& revision) {
    std::vector<v1::Model> models = {Model("m", revision)};
    if (Pick(3) != 0) models.push_back(Model("n"));
    if (Pick(3) == 0) models[0].set_max_width(32);  // too small for all
    if (revision == "A") models = {Model("m", "A"), Model("n")};
    return models;
  }

  void ReofferOne(const std::string& name, const std::string& revision) {
    std::vector<v1::Model> models = SomeModels(revision);
    if (Pick(3) == 0) models.erase(models.begin());
    Note(Noted(dispatcher_.OnModelsOffered(name, Registration(name, models).models(), now_)));
  }

  void ConnectOne(const std::string& name, const std::string& revision) {
    const std::vector<v1::Model> models = SomeModels(revision);
    LoseSimulated(name);
    const Actions lost = Register(Registration(name, models));
    workers_[name];
    Note(lost);
    for (const Key& key : std::exchange(finished_[name], {})) BringBack(name, key);
    workers_[name].room = 1 + Pick(4);
    Note(Capacity(name, workers_[name].room,
                  Pick(2) == 0 ? std::map<std::string, double>{{"m", 0.01 * (1 + Pick(3))}}
                               : std::map<std::string, double>{}));
  }

  void BringBack(const std::string& name, const Key& key) {
    const v1::ImageRef ref = Ref(key.job, key.attempt, key.image);
    if (Pick(2) == 0 || !dispatcher_.WantsBack(name, ref)) return;
    SimulatedJob& job = jobs_.at(key.job);
    EXPECT_EQ(job.done.count(key.image) + job.holder.count(key.image), 0U);
    job.done.insert(key.image);
    Note(Noted(dispatcher_.OnResultBroughtBack(name, ref, now_)));
  }

  void Place(bool placing) { dispatcher_.SetPlacing(placing); }

  void SubmitOne() {
    const std::string id = "j" + std::to_string(jobs_.size());
    v1::Job job = Job(id, 1 + Pick(5), static_cast<v1::Priority>(1 + Pick(3)), Pick(3) == 0 ? "n" : "m");
    job.set_tenant("t" + std::to_string(Pick(3)));
    if (Pick(6) == 0) *job.mutable_deadline() = ToTimestamp(now_.wall + absl::Seconds(1 + Pick(60)));
    jobs_[id].images = job.spec().image_count();
    jobs_[id].priority = job.priority();
    Note(Submit(job));
  }

  // A worker reports on a picture it holds.
  void Report(const std::string& name, const Key& key) {
    SimulatedWorker& worker = workers_.at(name);
    const v1::ImageRef ref = Ref(key.job, key.attempt, key.image);
    if (worker.stopping.count(key) != 0 && Pick(2) == 0) {
      LetGo(name, key);
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
        return Finish(name, key);
      case 7: {
        if (Pick(3) != 0) return;
        LetGo(name, key);
        const absl::Status errors[] = {absl::InternalError("x"), absl::ResourceExhaustedError("x"),
                                       absl::DataLossError("x"), absl::InvalidArgumentError("x")};
        return Note(Failure(name, ref, errors[Pick(4)]));
      }
      default: {
        if (!worker.draining) return;
        const uint32_t step = worker.held.at(key);
        LetGo(name, key);
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
      case 2: {
        const std::string revision = Pick(2) == 0 ? "" : Pick(2) == 0 ? "A" : "B";
        if (Pick(2) == 0 && workers_.count(name) != 0) return ReofferOne(name, revision);
        return ConnectOne(name, revision);
      }
      case 3:
        if (Pick(2) == 0 || workers_.count(name) == 0) return;
        LoseSimulated(name);
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
        if (Pick(5) == 0) Place(Pick(3) != 0);
        [[fallthrough]];
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

  const int audited_every_;  // so many events: counting everything anew takes longer than all else
  int events_ = 0;
  std::mt19937 random_;
  std::map<std::string, SimulatedWorker> workers_;
  std::map<std::string, SimulatedJob> jobs_;
  std::vector<std::pair<std::string, Key>> said_;     // everything ever assigned
  std::map<std::string, std::vector<Key>> finished_;  // by lost worker
  const std::pair<std::string, Key> nobody_;
};

TEST(Simulation, EveryJobEndsOnceNoOldAttemptCountsAndAllSumsAreRight) {
  ForEachSeed(10'000, [](uint32_t seed) {
    Schedule schedule(seed);
    schedule.Chaos(200);
    schedule.Calm();
  });
}

}  // namespace
}  // namespace mind::server
