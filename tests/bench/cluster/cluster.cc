#include "tests/bench/cluster/cluster.h"

#include <cmath>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/dispatch/dispatcher.h"
#include "server/generation/model_work.h"
#include "server/scale/scale_target.h"
#include "tests/bench/cluster/messages.h"

namespace mind::simulation {
namespace {

constexpr double kTick = 1;   // seconds between those of the dispatcher
constexpr double kBeat = 15;  // between heartbeats, and looks of the autoscaler

server::Dispatcher::Options DispatcherOptions() {
  server::Dispatcher::Options options;
  options.lease = absl::Seconds(4 * kBeat);
  return options;
}

class Cluster {
 public:
  explicit Cluster(const Settings& settings)
      : settings_(settings),
        from_(settings.begin + settings.warm_up),
        until_(from_ + settings.seconds),
        now_(settings.begin),
        arrivals_(settings_.pools, static_cast<int>(settings.room), settings.shape, settings.begin,
                  settings.seed),
        account_(from_, until_) {}

  Outcome Run();

 private:
  enum class What { kArrival, kGpu, kReady, kTick, kBeat, kFrom, kUntil };
  struct Event {
    double at = 0;
    uint64_t number = 0;
    What what = What::kTick;
    size_t member = 0;
    uint64_t plan = 0;
    // The queue's top is its largest: the first.
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : number > other.number;
    }
  };
  struct Member {
    std::unique_ptr<Gpu> gpu;  // null: it has gone
    size_t pool = 0;
    bool ready = false;
    uint32_t told = 0;  // room
    uint64_t plan = 0;  // only the newest of its events counts
  };
  struct Deployment {
    std::vector<size_t> members;             // by age
    std::unique_ptr<Autoscaler> autoscaler;  // null: it stays as it is
  };
  struct Waiter {
    double came = 0;
    bool begun = false;
  };

  server::Moment Now() const {
    return {.wall = absl::UnixEpoch() + absl::Seconds(now_), .steady = absl::Seconds(now_)};
  }
  void Push(double at, What what, size_t member = 0, uint64_t plan = 0) {
    events_.push({at, ++events_ever_, what, member, plan});
  }

  // --- What happens.
  void Handle(const Event& event);
  void Arrive();
  void Play(size_t index);
  void Beat();
  void Scale(size_t pool);
  double MetricOf(const std::string& model) const;

  // --- GPUs.
  void Order(size_t pool, double start_seconds);
  void Connect(size_t index);
  void Remove(size_t index);
  void TellCapacity(size_t index);
  void Schedule(size_t index);
  const Pool& PoolOf(const Member& member) const { return settings_.pools[member.pool]; }
  // Of all that there have been.
  Gpu::Totals Totals() const;

  // --- The dispatcher.
  void Say(size_t index, const v1::ConnectRequest& message) {
    Do(dispatcher_.OnWorkerMessage(members_[index].gpu->name(), message, Now()));
  }
  void Do(const server::Actions& actions);
  void NoteEnd(const v1::Job& job);

  const Settings settings_;
  const double from_, until_;  // what is counted
  double now_;
  Arrivals arrivals_;
  Arrival next_;
  Account account_;
  server::Dispatcher dispatcher_{DispatcherOptions()};
  std::priority_queue<Event> events_;
  uint64_t events_ever_ = 0;
  std::vector<Member> members_;  // all that there have been
  absl::flat_hash_map<std::string, size_t> by_name_;
  std::vector<Deployment> deployments_;  // by pool
  int gpus_ = 0;
  Gpu::Totals gone_;  // of members that have gone
  absl::flat_hash_map<std::string, Waiter> jobs_;
  uint64_t submitted_ = 0;
};

Outcome Cluster::Run() {
  const Scaling& scaling = settings_.scaling;
  const bool scaled = scaling.metric != Metric::kNone;
  for (size_t pool = 0; pool < settings_.pools.size(); ++pool) {
    const int gpus = settings_.pools[pool].gpus;
    Deployment& deployment = deployments_.emplace_back();
    if (scaled) {
      deployment.autoscaler =
          std::make_unique<Autoscaler>(Autoscaler::Options{.target = scaling.target,
                                                           .max = gpus,
                                                           .down_window = scaling.cooldown_seconds,
                                                           .down = scaling.down});
    }
    for (int i = 0; i < (scaled ? 1 : gpus); ++i) Order(pool, 0);
  }
  next_ = arrivals_.Next();
  Push(next_.at, What::kArrival);
  Push(now_, What::kTick);
  Push(now_, What::kBeat);
  Push(from_, What::kFrom);
  Push(until_, What::kUntil);
  while (now_ <= until_ || !jobs_.empty()) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    Handle(event);
  }
  return account_.Close();
}

void Cluster::Handle(const Event& event) {
  switch (event.what) {
    case What::kArrival:
      return Arrive();
    case What::kGpu:
      if (members_[event.member].plan == event.plan) Play(event.member);
      return;
    case What::kReady:
      if (members_[event.member].gpu != nullptr) Connect(event.member);
      return;
    case What::kTick:
      Do(dispatcher_.OnTick(Now()));
      return Push(now_ + kTick, What::kTick);
    case What::kBeat:
      Beat();
      return Push(now_ + kBeat, What::kBeat);
    case What::kFrom:
      return account_.Begin(Totals());
    case What::kUntil:
      return account_.End(Totals());
  }
}

void Cluster::Arrive() {
  const Arrival arrival = std::exchange(next_, arrivals_.Next());
  if (now_ >= until_) return;  // and nobody comes after
  Push(next_.at, What::kArrival);
  const v1::Job job =
      JobOf(arrival, settings_.pools[arrival.pool], absl::StrCat("job-", ++submitted_), Now().wall);
  jobs_[job.id()] = {.came = now_};
  account_.NoteJob(now_);
  Do(dispatcher_.OnSubmit(job, RowsOf(job), {}, Now()));
}

void Cluster::Play(size_t index) {
  Gpu& gpu = *members_[index].gpu;
  while (gpu.next() <= now_) {
    const Gpu::News news = gpu.Advance(now_);
    for (const Gpu::Picture& picture : news.begun) {
      Waiter& waiter = jobs_.at(picture.image.job_id());
      if (!std::exchange(waiter.begun, true)) account_.NoteWait(waiter.came, now_);
      Say(index, Started(picture));
    }
    for (const Gpu::Picture& picture : news.done) {
      account_.NotePicture(now_);
      Say(index, Result(picture));
    }
    if (gpu.max_images() != members_[index].told) TellCapacity(index);
  }
  Schedule(index);
}

void Cluster::Beat() {
  for (const Deployment& deployment : deployments_) {
    for (const size_t index : deployment.members) {
      if (!members_[index].ready) continue;
      Say(index, Progress(members_[index].gpu->Running(now_)));
      TellCapacity(index);
    }
  }
  for (size_t pool = 0; pool < deployments_.size(); ++pool) {
    if (deployments_[pool].autoscaler != nullptr) Scale(pool);
  }
}

void Cluster::Scale(size_t pool) {
  Deployment& deployment = deployments_[pool];
  const int current = static_cast<int>(deployment.members.size());
  const int wanted = deployment.autoscaler->Wanted(MetricOf(settings_.pools[pool].model), current, now_);
  for (int i = current; i < wanted; ++i) Order(pool, settings_.scaling.start_seconds);
  for (int i = current; i > wanted; --i) {  // the newest goes first
    const size_t index = deployment.members.back();
    deployment.members.pop_back();
    Remove(index);
  }
}

double Cluster::MetricOf(const std::string& model) const {
  const internal::v1::ListWorkResponse work = server::WorkOf(dispatcher_);
  if (settings_.scaling.metric == Metric::kWork) return server::DemandOf(model, work).seconds;
  for (const internal::v1::ModelWork& each : work.models()) {
    if (each.model() != model) continue;
    const bool running = settings_.scaling.metric == Metric::kJobs;
    return static_cast<double>(each.waiting_jobs() + (running ? each.running_jobs() : 0));
  }
  return 0;
}

// --- GPUs.

void Cluster::Order(size_t pool, double start_seconds) {
  account_.NoteGpus(++gpus_, now_);
  const size_t index = members_.size();
  const Pool& of = settings_.pools[pool];
  const std::string name = absl::StrCat(of.model, "-", index);
  members_.push_back(
      {.gpu = std::make_unique<Gpu>(name, of, settings_.batching, settings_.room), .pool = pool});
  by_name_[name] = index;
  deployments_[pool].members.push_back(index);
  if (start_seconds == 0) {
    Connect(index);
  } else {
    Push(now_ + start_seconds, What::kReady, index);
  }
}

void Cluster::Connect(size_t index) {
  Member& member = members_[index];
  member.ready = true;
  Do(dispatcher_.OnWorkerConnected(Registration(member.gpu->name(), PoolOf(member)), Now()));
  TellCapacity(index);
}

void Cluster::Remove(size_t index) {
  account_.NoteGpus(--gpus_, now_);
  Member& member = members_[index];
  if (member.ready) {
    Say(index, Draining());
    for (const Gpu::Picture& picture : member.gpu->HandBack(now_)) {
      account_.NoteMoved(now_);
      Say(index, HandedBack(picture));
    }
    Do(dispatcher_.OnWorkerLost(member.gpu->name(), Now()));
  }
  gone_ += member.gpu->TotalsAt(now_);
  by_name_.erase(member.gpu->name());
  ++member.plan;
  member.gpu = nullptr;
}

void Cluster::TellCapacity(size_t index) {
  Member& member = members_[index];
  member.told = member.gpu->max_images();
  Say(index, Capacity(*member.gpu, PoolOf(member).model));
}

void Cluster::Schedule(size_t index) {
  Member& member = members_[index];
  ++member.plan;
  const double next = member.gpu->next();
  if (std::isfinite(next)) Push(next, What::kGpu, index, member.plan);
}

Gpu::Totals Cluster::Totals() const {
  Gpu::Totals all = gone_;
  for (const Deployment& deployment : deployments_) {
    for (const size_t index : deployment.members) all += members_[index].gpu->TotalsAt(now_);
  }
  return all;
}

// --- The dispatcher.

void Cluster::Do(const server::Actions& actions) {
  for (const server::Action& action : actions) {
    if (const auto* const send = std::get_if<server::SendAssign>(&action)) {
      const size_t index = by_name_.at(send->worker);
      for (Gpu::Picture& picture : PicturesOf(send->assign, PoolOf(members_[index]))) {
        members_[index].gpu->Take(std::move(picture), now_);
      }
      Schedule(index);
    } else if (const auto* const ended = std::get_if<server::JobEndedAction>(&action)) {
      NoteEnd(ended->job);
    } else if (!std::holds_alternative<server::JobStartedAction>(action) &&
               !std::holds_alternative<server::JobRequeuedAction>(action)) {
      throw std::logic_error(absl::StrCat("at ", now_, " s the dispatcher gives a worker up"));
    }
  }
}

void Cluster::NoteEnd(const v1::Job& ended) {
  if (ended.state() != v1::JOB_STATE_SUCCEEDED) {
    throw std::logic_error(absl::StrCat(ended.id(), " failed: ", ended.error().message()));
  }
  const auto job = jobs_.find(ended.id());
  account_.NoteLatency(job->second.came, now_);
  jobs_.erase(job);
}

}  // namespace

Outcome Simulate(const Settings& settings) {
  return Cluster(settings).Run();
}

}  // namespace mind::simulation
