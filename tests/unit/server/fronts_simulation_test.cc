// Several fronts on one database, under random events: fronts that are killed, stopped, cut off and resign,
// clocks of different rates, a database that goes away and says things late or not at all, workers and
// clients that lose their connections. Beside it a simple account of what must be true.
//
// What runs is the product's: Campaign and Election, Leadership, LeaderSeat and the GenerationService behind
// it. What is simulated is what is around them: clocks, loops, the database, and everything that travels.
//
// MIND_SIMULATIONS: how many schedules; a failure names its seed, and MIND_SIMULATION_SEED runs that alone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "server/cluster/campaign.h"
#include "server/cluster/leadership.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

// Mistakes that could be made; each must be found.
enum class Bug {
  kNone,
  kNoFence,          // the store takes writes of any term
  kWallClock,        // the election goes by a clock that people set
  kSaysYesTooEarly,  // what waits for a commit leaves before it
  kForgetsRequests,  // a leader that takes over does not find the requests of earlier ones
};

constexpr size_t kFronts = 3, kWorkers = 3, kClients = 6;
constexpr absl::Duration kLease = absl::Seconds(5);
constexpr double kSlowest = 0.7, kFastest = 1.4;  // clocks

uint32_t FromEnvironment(const char* name, uint32_t usual) {
  const char* const wanted = std::getenv(name);
  return wanted == nullptr ? usual : static_cast<uint32_t>(std::atoi(wanted));
}

class World {
 public:
  World(uint32_t seed, Bug bug) : random_(seed), bug_(bug) {
    for (size_t i = 0; i < kFronts; ++i) {
      skew_.push_back({std::uniform_real_distribution<>(kSlowest, kFastest)(random_),
                       absl::Hours(static_cast<int>(random_() % 10'000))});
      fronts_.push_back(nullptr);
      StartFront(i);
    }
    for (size_t i = 0; i < kWorkers; ++i) workers_[i].name = "w" + std::to_string(i);
    for (size_t i = 0; i < kClients; ++i) {
      clients_[i].request = SmallRequest("m", 1 + random_() % 3);
      clients_[i].request.set_request_id("r" + std::to_string(i));
    }
  }

  const std::string& violation() const { return violation_; }

  void Chaos(int steps) {
    for (int i = 0; i < steps && violation_.empty(); ++i) {
      if (Chance(0.25)) Misfortune();
      Step(absl::Milliseconds(20 + random_() % 400));
    }
  }

  // All goes well from here on: somebody leads, and everything ends.
  void Calm() {
    calm_ = true;
    database_away_ = false;
    for (size_t i = 0; i < kFronts; ++i) {
      if (fronts_[i] == nullptr) StartFront(i);
      fronts_[i]->cut = fronts_[i]->stopped = false;
    }
    // A leader is found when a lease has passed on the slowest clock, twice, for one that was just missed.
    const absl::Duration bound = now_ + 2 * kLease / kSlowest + absl::Seconds(10);
    while (violation_.empty() && !SomebodyServes()) {
      Step(absl::Milliseconds(100));
      if (now_ > bound) return Violated("nobody leads long after all went well again");
    }
    const absl::Duration end = now_ + absl::Minutes(10);
    while (violation_.empty() && !AllEnded()) {
      Step(absl::Milliseconds(250));
      if (now_ > end) return Violated("a job starves");
    }
  }

 private:
  using Work = std::function<void()>;

  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  void Violated(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }
  // Something that takes its time to get there; in one lane nothing overtakes.
  void Later(Work work, absl::Duration* lane = nullptr) {
    const int longest = calm_ || Chance(0.9) ? 30 : 3000;
    absl::Duration arrival = now_ + absl::Milliseconds(1 + random_() % longest);
    if (lane != nullptr) *lane = arrival = std::max(arrival, *lane);
    later_.emplace(arrival, std::move(work));
  }

  // --- Fronts.

  class Store;

  struct Front : public Campaign::Candidate, public TermStore {
    Front(World& the_world, size_t the_index, const std::string& name)
        : world(the_world), index(the_index), loop(std::make_shared<std::deque<Work>>()) {
      const Post post = [queue = loop](Work work) { queue->push_back(std::move(work)); };
      ServiceOptions service;
      service.post = post;
      service.clock = [this] { return absl::UnixEpoch() + absl::Hours(500'000) + world.now_; };
      service.steady_clock = [this] { return world.ClockOf(index); };
      service.new_job_id = [this] { return "job-" + std::to_string(++world.jobs_); };
      // What is to be seen here is not which jobs kill their workers.
      service.dispatcher.max_losses = 1'000'000;
      leadership = std::make_unique<Leadership>(
          Leadership::Options{
              .service = service,
              .open = [this](uint64_t term) -> absl::StatusOr<std::unique_ptr<JobStore>> {
                if (!world.Reaches(*this)) return World::Away();
                return std::make_unique<Store>(*this, term);
              },
              .elsewhere = [](const Work& work) { work(); },
              .lost = [this](uint64_t term, const std::string& why) { campaign->OnLost(term, why); }},
          world.metrics_, seat);
      campaign = std::make_unique<Campaign>(
          Campaign::Options{.election = {.holder = name, .address = std::to_string(index), .lease = kLease},
                            .post = post,
                            .steady_clock =
                                [this] {
                                  return world.ClockOf(index) + (world.bug_ == Bug::kWallClock
                                                                     ? world.set_forward_
                                                                     : absl::ZeroDuration());
                                }},
          *this, *this);
    }

    // Candidate.
    void Lead(uint64_t term) override {
      Follows(term, index);
      leadership->Begin(term);
    }
    void StepDown(uint64_t, const std::string&) override {
      leadership->End();
      follows.reset();
    }
    void Follow(uint64_t term, const std::string& address) override {
      if (address.empty()) return follows.reset();
      Follows(term, static_cast<size_t>(std::atoi(address.c_str())));
    }
    void Follows(uint64_t term, size_t leader) {
      const std::optional<size_t> before = std::exchange(follows, leader);
      if (before && *before != leader && *before != index) {
        world.ToFront(*before, [term, leader](Front& front) {
          front.campaign->OnHigherTerm(term, std::to_string(leader));
        });
      }
    }

    // TermStore.
    void Read(Done<TermRow> done) override {
      world.Ask<TermRow>(
          *this, [this] { return world.row_; }, std::move(done));
    }
    void Take(const TermRow& seen, const std::string& holder, const std::string& address,
              Done<std::optional<uint64_t>> done) override {
      world.Ask<std::optional<uint64_t>>(
          *this, [this, seen, holder, address] { return world.Take(*this, seen, holder, address); },
          std::move(done));
    }
    void Renew(uint64_t term, const std::string& holder, Done<bool> done) override {
      world.Ask<bool>(
          *this,
          [this, term, holder] {
            const bool ours = world.row_.term == term && world.row_.holder == holder;
            if (ours) ++world.row_.beat;
            if (ours) world.row_changed_ = world.now_;
            return ours;
          },
          std::move(done));
    }
    void Resign(uint64_t term, const std::string& holder, Done<bool> done) override {
      world.Ask<bool>(
          *this,
          [this, term, holder] {
            const bool ours = world.row_.term == term && world.row_.holder == holder;
            if (ours) world.row_.holder.clear();
            return ours;
          },
          std::move(done));
    }

    void RunLoop() {
      // What is posted meanwhile has its turn in the next round.
      for (size_t due = loop->size(); due > 0; --due) {
        const Work work = std::move(loop->front());
        loop->pop_front();
        work();
      }
    }
    void Tick() {
      campaign->OnTick();
      leadership->OnTick();
      if (campaign->frozen()) leadership->OnFrozen();
    }

    World& world;
    const size_t index;
    const std::shared_ptr<std::deque<Work>> loop;
    LeaderSeat seat;
    std::unique_ptr<Leadership> leadership;
    std::unique_ptr<Campaign> campaign;
    std::optional<size_t> follows;  // who leads, as far as it knows
    bool stopped = false;           // SIGSTOP
    bool cut = false;               // from the database
    absl::Duration next_tick;
  };

  void StartFront(size_t index) {
    fronts_[index] = std::make_shared<Front>(*this, index, "f" + std::to_string(++started_));
  }
  absl::Duration ClockOf(size_t front) const { return skew_[front].second + now_ * skew_[front].first; }
  bool Reaches(const Front& front) const { return !database_away_ && !front.cut; }
  bool Alive(const Front* front) const { return fronts_[front->index].get() == front; }
  // On that front's loop, if it is there when that has arrived.
  void ToFront(
      size_t index, std::function<void(Front&)> work, absl::Duration* lane = nullptr, Work refused = [] {}) {
    Later(
        [this, index, work = std::move(work), refused = std::move(refused)] {
          Front* const front = fronts_[index].get();
          if (front == nullptr) return refused();
          front->loop->push_back([this, front, work] {
            if (Alive(front)) work(*front);
          });
        },
        lane);
  }
  bool SomebodyServes() const {
    for (const auto& front : fronts_) {
      if (front != nullptr && front->campaign->leads() == row_.term && !front->seat.vacant()) return true;
    }
    return false;
  }

  // --- The database.

  static absl::Status Away() {
    return MakeError(absl::StatusCode::kUnavailable, "no answer", "STORE_UNAVAILABLE");
  }

  // Goes there, is done, and comes back, or does not.
  template <typename T>
  void Ask(Front& front, std::function<absl::StatusOr<T>()> work,
           std::function<void(absl::StatusOr<T>)> done) {
    Later([this, front = &front, work = std::move(work), done = std::move(done)] {
      const bool arrives = !Alive(front) ? Chance(0.5) : Reaches(*front);
      absl::StatusOr<T> answer = arrives ? work() : absl::StatusOr<T>(Away());
      if (arrives && !calm_ && Chance(0.02)) answer = Away();  // it was done, and nobody knows
      Later([this, front, done, answer = std::move(answer)] {
        if (!Alive(front)) return;
        done(Reaches(*front) ? answer : absl::StatusOr<T>(Away()));
      });
    });
  }

  std::optional<uint64_t> Take(const Front& front, const TermRow& seen, const std::string& holder,
                               const std::string& address) {
    if (row_ != seen) return std::nullopt;
    // Who lives is not deposed: its row must have stood still for a lease, by the fastest clock.
    if (!row_.holder.empty() && row_.holder != holder &&
        now_ - row_changed_ < kLease / skew_[front.index].first - absl::Milliseconds(1)) {
      Violated("a leader that is heard has been deposed");
    }
    row_ = {row_.term + 1, holder, address, 0};
    row_changed_ = now_;
    return row_.term;
  }

  absl::Status Commit(uint64_t term, const StoreBatch& batch) {
    if (term != row_.term) {
      if (bug_ != Bug::kNoFence) return MakeError(absl::StatusCode::kAborted, "over", kTermOver);
      Violated("a write under a term that is over");
    }
    for (const StoreWrite& write : batch) Check(write);
    content_.Commit(std::make_shared<const StoreBatch>(batch), [](const absl::Status&) {});
    return absl::OkStatus();
  }
  void Check(const StoreWrite& write) {
    if (const auto* end = std::get_if<EndJob>(&write)) {
      const auto stored = content_.Now(end->job.id());
      if (stored && stored->job.has_end_time() &&
          (stored->end_sequence != end->sequence || stored->job.state() != end->job.state())) {
        Violated("a job ended twice");
      }
    } else if (const auto* image = std::get_if<AddImage>(&write)) {
      const auto stored = content_.Now(image->job_id);
      for (const ImageMark& mark : stored ? stored->images : std::vector<ImageMark>()) {
        if (mark.index == image->index && mark.sequence != image->sequence)
          Violated("a picture is made twice");
      }
    }
  }

  // The store of one term.
  class Store : public JobStore {
   public:
    Store(Front& front, uint64_t term) : front_(front), world_(front.world), term_(term) {}

    void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) override {
      if (world_.bug_ == Bug::kSaysYesTooEarly) {
        done(absl::OkStatus());
        done = [](const absl::Status&) {};
      }
      world_.Ask<bool>(
          front_,
          [&world = world_, batch, term = term_]() -> absl::StatusOr<bool> {
            const absl::Status committed = world.Commit(term, *batch);
            return committed.ok() ? absl::StatusOr<bool>(true) : committed;
          },
          [done](const absl::StatusOr<bool>& committed) { done(committed.status()); });
    }
    void Purge(absl::Time, int, Done<int> done) override { done(0); }
    void FindSources(const std::string&, Done<PictureBytes> done) override { done(PictureBytes()); }
    absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) override {
      return world_.content_.ForEachUnfinished(take);
    }
    absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) override {
      return world_.content_.ForEachUnsettledWebhook(take);
    }
    absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) override {
      return world_.content_.Secrets(purpose);
    }
    StoreDurability durability() const override { return {.disk = true}; }
    uint64_t epoch() const override { return term_; }
    void Find(const std::string& id, Done<std::optional<StoredJob>> done) override {
      world_.Ask<std::optional<StoredJob>>(
          front_, [&world = world_, id] { return world.content_.Now(id); }, std::move(done));
    }
    void FindRequest(const std::string& tenant, const std::string& request_id,
                     Done<std::optional<EarlierRequest>> done) override {
      world_.Ask<std::optional<EarlierRequest>>(
          front_,
          [&world = world_, tenant, request_id] {
            std::optional<EarlierRequest> earlier;
            if (world.bug_ == Bug::kForgetsRequests) return earlier;
            world.content_.FindRequest(tenant, request_id, [&](const auto& found) { earlier = *found; });
            return earlier;
          },
          std::move(done));
    }
    void List(const JobQuery&, Done<std::vector<StoredJob>> done) override { done(std::vector<StoredJob>()); }
    void FindImage(const std::string&, uint32_t, Done<std::optional<StoredImage>> done) override {
      done(std::nullopt);
    }
    void Models(Done<std::vector<v1::Model>> done) override { world_.content_.Models(std::move(done)); }

   private:
    Front& front_;
    World& world_;
    const uint64_t term_;
  };

  // --- Workers.

  using Picture = std::tuple<std::string, uint32_t, uint32_t>;  // job, attempt, index

  struct Worker;

  // One stream. What it is sent arrives, if the stream still stands then.
  class Stream : public WorkerSession, public std::enable_shared_from_this<Stream> {
   public:
    Stream(World& world, Worker& worker, size_t front) : world_(world), worker_(worker), front_(front) {}

    void Send(v1::ConnectResponse message) override {
      if (ended_) return;  // at the front: nothing leaves any more
      if (message.has_assign()) world_.CheckAssignment(message.assign());
      world_.Later(
          [self = shared_from_this(), message = std::move(message)] {
            if (self->worker_.stream == self) self->worker_.Take(message);
          },
          &down_);
    }
    void Close(const absl::Status&) override {
      ended_ = true;
      world_.Later(
          [self = shared_from_this()] {
            if (self->worker_.stream == self) self->worker_.Lose();
          },
          &down_);
    }
    // Has it done at the front, in order.
    void Say(std::function<void(LeaderSeat&)> what) {
      world_.ToFront(
          front_, [self = shared_from_this(), what = std::move(what)](Front& front) { what(front.seat); },
          &up_, [self = shared_from_this()] { self->Close(Away()); });
    }
    void Say(v1::ConnectRequest message) {
      Say([this, message = std::move(message)](LeaderSeat& seat) { seat.OnMessage(this, message); });
    }
    void End(LeaderSeat& seat) {
      seat.OnClosed(this);
      ended_ = true;
    }
    size_t front() const { return front_; }

   private:
    World& world_;
    Worker& worker_;
    const size_t front_;
    absl::Duration up_, down_;  // lanes
    bool ended_ = false;
  };

  struct Worker {
    std::string name;
    std::shared_ptr<Stream> stream;
    std::map<Picture, uint64_t> held;  // with the seed
    std::map<Picture, uint64_t> made;  // not taken yet, as far as it knows

    void Lose() {
      stream.reset();
      held.clear();
    }
    void Take(const v1::ConnectResponse& message) {
      if (message.has_assign()) {
        for (const v1::AssignedImage& image : message.assign().images()) {
          held[{message.assign().job_id(), message.assign().attempt(), image.image_index()}] =
              message.assign().spec().seed() + image.image_index();
        }
      }
      if (message.has_cancel()) {
        std::erase_if(held, [&](const auto& one) {
          return std::get<0>(one.first) == message.cancel().job_id() &&
                 std::get<1>(one.first) == message.cancel().attempt();
        });
      }
      if (message.has_taken()) {
        const v1::ImageRef& image = message.taken().image();
        made.erase({image.job_id(), image.attempt(), image.image_index()});
      }
    }
  };

  void CheckAssignment(const v1::Assign& assign) {
    const auto stored = content_.Now(assign.job_id());
    if (!stored || stored->job.attempt() < assign.attempt()) {
      Violated("an assignment has left before it was durable");
    }
    if (!attempts_.insert({assign.job_id(), assign.attempt()}).second) Violated("an attempt is given twice");
  }

  static v1::ConnectRequest Result(const Picture& picture, uint64_t seed) {
    v1::ConnectRequest message;
    v1::ImageResult& result = *message.mutable_image_result();
    result.mutable_image()->set_job_id(std::get<0>(picture));
    result.mutable_image()->set_attempt(std::get<1>(picture));
    result.mutable_image()->set_image_index(std::get<2>(picture));
    result.set_seed(seed);
    result.set_media_type("image/png");
    result.set_data("picture");
    return message;
  }

  void GoOn(Worker& worker) {
    if (worker.stream == nullptr) {
      if (calm_ || Chance(0.3)) Connect(worker);
      return;
    }
    v1::ConnectRequest capacity;
    capacity.mutable_capacity()->set_max_images(2);
    worker.stream->Say(capacity);
    if (worker.held.empty() || !Chance(0.3)) return;
    const auto done = worker.held.extract(worker.held.begin());
    worker.made[done.key()] = done.mapped();
    worker.stream->Say(Result(done.key(), done.mapped()));
  }
  void Connect(Worker& worker) {
    const Front* const dialled = fronts_[random_() % kFronts].get();
    if (dialled == nullptr || dialled->stopped || !dialled->follows) return;
    const auto stream = std::make_shared<Stream>(*this, worker, *dialled->follows);
    worker.stream = stream;
    v1::Register registration;
    registration.set_name(worker.name);
    *registration.add_models() = SmallModel("m");
    stream->Say([stream, registration](LeaderSeat& seat) {
      const absl::Status taken = seat.OnRegister(stream, registration);
      if (!taken.ok()) stream->Close(taken);
    });
    for (const auto& [picture, seed] : worker.made) stream->Say(Result(picture, seed));
  }
  void Disconnect(Worker& worker) {
    if (worker.stream == nullptr) return;
    const std::shared_ptr<Stream> lost = worker.stream;
    worker.Lose();
    lost->Say([lost](LeaderSeat& seat) { lost->End(seat); });
  }

  // --- Clients: each wants one job, and asks until it has it.

  struct Client {
    v1::JobRequest request;
    bool asking = false;
    absl::Duration asked;
    std::string job;  // acknowledged

    Front* watched_at = nullptr;
    uint64_t term = 0;  // that it is watched in
    std::optional<WatchId> watch;
    bool watching = false;  // asks to
    uint64_t last_sequence = 0;
    std::set<uint32_t> pictures;
    bool completed = false;
  };

  void Want(Client& client) {
    if (client.completed) return;
    if (client.job.empty()) return Submit(client);
    if (client.watch) return Listen(client);
    Watch(client);
  }
  // The leader, as a front that is dialled knows it.
  std::optional<size_t> AnyLeader() {
    const Front* const dialled = fronts_[random_() % kFronts].get();
    return dialled == nullptr || dialled->stopped ? std::nullopt : dialled->follows;
  }
  void Submit(Client& client) {
    // An answer that does not come is not waited for for ever.
    if (client.asking && now_ - client.asked < absl::Seconds(10)) return;
    const std::optional<size_t> leader = AnyLeader();
    if (!leader || !(calm_ || Chance(0.3))) return;
    client.asking = true;
    client.asked = now_;
    ToFront(*leader, [this, &client](Front& front) {
      front.seat.Submit(PrepareSubmission(client.request), {}, std::nullopt,
                        [this, &client](absl::StatusOr<v1::Job> job) {
                          Later([this, &client, job = std::move(job)] {
                            client.asking = false;
                            if (!job.ok()) return;
                            if (!client.job.empty() && client.job != job->id()) {
                              Violated("one request has made two jobs");
                            }
                            client.job = job->id();
                          });
                        });
    });
  }
  void Watch(Client& client) {
    const std::optional<size_t> leader = AnyLeader();
    if (!leader || (client.watching && now_ - client.asked < absl::Seconds(10))) return;
    client.watching = true;
    client.asked = now_;
    ToFront(*leader, [this, &client](Front& front) {
      front.seat.Watch(
          client.job, {.after_sequence = client.last_sequence, .front = WatchStart::Front{.name = "c"}}, {},
          [] {},
          [this, &client, &front](const absl::StatusOr<WatchId>& watch) {
            client.watching = false;
            if (absl::IsNotFound(watch.status())) Violated("an acknowledged job is unknown");
            if (!watch.ok() || client.watch) return;
            client.watch = *watch;
            client.watched_at = &front;
          });
    });
  }
  void Listen(Client& client) {
    if (!Alive(client.watched_at)) return client.watch.reset();
    if (client.watched_at->stopped) return;
    for (;;) {
      const WatchNews news = client.watched_at->seat.Next(*client.watch);
      if (news.event == nullptr && !news.end) return;
      if (news.event != nullptr) {
        Hear(client, *news.event);
        continue;
      }
      if (news.end->ok() && !client.completed) Violated("a watch ended without the job's end");
      client.watched_at->seat.Unwatch(*client.watch);
      return client.watch.reset();
    }
  }
  void Hear(Client& client, const v1::JobEvent& event) {
    if (event.sequence() <= client.last_sequence) Violated("numbers of events do not rise");
    client.last_sequence = event.sequence();
    if (event.has_image() && !client.pictures.insert(event.image().image_index()).second) {
      Violated("a picture is told twice");
    }
    if (!event.has_completed()) return;
    client.completed = true;
    if (event.completed().job().state() != v1::JOB_STATE_SUCCEEDED) Violated("a job fails");
    if (client.pictures.size() != client.request.spec().image_count()) Violated("a picture is missing");
    const auto stored = content_.Now(client.job);
    if (!stored || !stored->job.has_end_time()) Violated("an end is told that is not durable");
  }
  bool AllEnded() const {
    for (const Client& client : clients_) {
      if (!client.completed) return false;
    }
    return true;
  }

  // --- Time and misfortune.

  void Step(absl::Duration time) {
    const absl::Duration end = now_ + time;
    while (!later_.empty() && later_.begin()->first <= end) {
      now_ = std::max(now_, later_.begin()->first);
      const Work work = std::move(later_.begin()->second);
      later_.erase(later_.begin());
      work();
      RunFronts();
    }
    now_ = end;
    RunFronts();
    for (Worker& worker : workers_) GoOn(worker);
    for (Client& client : clients_) Want(client);
  }
  void RunFronts() {
    for (const auto& front : fronts_) {
      if (front == nullptr || front->stopped) continue;
      for (int round = 0; round < 10 && !front->loop->empty(); ++round) front->RunLoop();
      if (now_ < front->next_tick) continue;
      front->next_tick = now_ + absl::Milliseconds(100);
      front->Tick();
    }
  }

  void Misfortune() {
    const size_t index = random_() % kFronts;
    Front* const front = fronts_[index].get();
    Worker& worker = workers_[random_() % kWorkers];
    switch (random_() % 10) {
      case 0:
        if (front == nullptr) return StartFront(index);
        return Kill(index);
      case 1:
      case 2:
        if (front == nullptr) return StartFront(index);
        front->stopped = !front->stopped;
        return;
      case 3:
      case 4:
        if (front != nullptr) front->cut = !front->cut;
        return;
      case 5:
        database_away_ = !database_away_ && Chance(0.5);
        return;
      case 6:
        if (front != nullptr && !front->stopped) {
          front->campaign->Retire([] {});
          Later([this, index, front] {
            if (Alive(front)) Kill(index);
          });
        }
        return;
      case 7:
        set_forward_ += absl::Hours(1);
        return;
      default:
        return Disconnect(worker);
    }
  }
  void Kill(size_t index) {
    const std::shared_ptr<Front> dead = std::exchange(fronts_[index], nullptr);
    // Who still knows it must not take a later one for it.
    graveyard_.push_back(dead);
    dead->campaign.reset();
    dead->leadership.reset();
    for (Worker& worker : workers_) {
      if (worker.stream != nullptr && worker.stream->front() == index) worker.Lose();
    }
    if (calm_ || Chance(0.5)) StartFront(index);
  }

  std::mt19937 random_;
  const Bug bug_;
  std::string violation_;
  bool calm_ = false;
  absl::Duration now_ = absl::ZeroDuration();
  absl::Duration set_forward_ = absl::ZeroDuration();  // wall clocks, by people
  std::multimap<absl::Duration, Work> later_;

  ServerMetrics metrics_;
  TermRow row_;
  absl::Duration row_changed_;
  FakeStore content_;
  bool database_away_ = false;

  std::vector<std::pair<double, absl::Duration>> skew_;  // of each front's clock: rate, start
  int started_ = 0;
  Worker workers_[kWorkers];
  Client clients_[kClients];
  std::set<std::pair<std::string, uint32_t>> attempts_;
  int jobs_ = 0;
  std::vector<std::shared_ptr<Front>> graveyard_;
  std::vector<std::shared_ptr<Front>> fronts_;
};

// What went wrong, if anything.
std::string Play(uint32_t seed, Bug bug = Bug::kNone) {
  World world(seed, bug);
  world.Chaos(150);
  world.Calm();
  return world.violation();
}

TEST(FrontsSimulation, WhateverHappensNothingIsLostAndNothingHappensTwice) {
  if (std::getenv("MIND_SIMULATION_SEED") != nullptr) {
    EXPECT_EQ(Play(FromEnvironment("MIND_SIMULATION_SEED", 0)), "");
    return;
  }
  const uint32_t schedules = FromEnvironment("MIND_SIMULATIONS", 1000);
  for (uint32_t seed = 1; seed <= schedules; ++seed) {
    ASSERT_EQ(Play(seed), "") << "seed " << seed;
  }
}

TEST(FrontsSimulation, ASeedReplaysExactly) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    const std::string first = Play(seed, Bug::kNoFence);
    ASSERT_EQ(Play(seed, Bug::kNoFence), first) << "seed " << seed;
  }
}

// How a mistake shows, within as many schedules as CI runs.
class FrontsSimulationFinds : public ::testing::TestWithParam<std::pair<Bug, std::string>> {};

TEST_P(FrontsSimulationFinds, APlantedMistake) {
  const auto& [bug, violation] = GetParam();
  for (uint32_t seed = 1; seed <= 1000; ++seed) {
    const std::string found = Play(seed, bug);
    if (found == violation) return;
  }
  FAIL() << "not found: " << violation;
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, FrontsSimulationFinds,
    ::testing::Values(std::pair(Bug::kNoFence, "a write under a term that is over"),
                      std::pair(Bug::kWallClock, "a leader that is heard has been deposed"),
                      std::pair(Bug::kSaysYesTooEarly, "an assignment has left before it was durable"),
                      std::pair(Bug::kForgetsRequests, "one request has made two jobs")));

}  // namespace
}  // namespace mind::server
