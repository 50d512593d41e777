// Fronts: the product's election, and the product's service while one leads, each on a loop and a clock of
// its own. They are started, killed, stopped and cut off.
#ifndef MIND_TESTS_UNIT_SIMULATION_FRONTS_FRONT_H_
#define MIND_TESTS_UNIT_SIMULATION_FRONTS_FRONT_H_

#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/cluster/campaign.h"
#include "server/cluster/leader_seat.h"
#include "server/cluster/leadership.h"
#include "tests/unit/simulation/fronts/course.h"
#include "tests/unit/simulation/fronts/database.h"

namespace mind::server::simulated {

class Fronts;

class Front : public Campaign::Candidate {
 public:
  Front(Fronts& all, size_t index, const std::string& name);
  ~Front() override { line_->dead = true; }

  LeaderSeat& seat() { return seat_; }
  // Who leads, as far as it knows: the number of a front.
  std::optional<size_t> follows() const { return follows_; }
  uint64_t term() const { return term_; }  // that it leads or has led last
  bool Serves(uint64_t term) const { return campaign_->leads() == term && !seat_.vacant(); }
  void Queue(Work work) { loop_->push_back(std::move(work)); }

  // Does what its loop has, unless it is stopped.
  void Run();
  // As on SIGTERM.
  void Retire() {
    campaign_->Retire([] {});
  }
  void Stop(bool stopped) { stopped_ = stopped; }
  bool stopped() const { return stopped_; }
  void Cut(bool cut) { line_->cut = cut; }
  bool cut() const { return line_->cut; }

 private:
  // Campaign::Candidate.
  void Lead(uint64_t term) override {
    Point(term, index_);
    term_ = term;
    leadership_->Begin(term);
  }
  void StepDown(uint64_t, const std::string&) override {
    leadership_->End();
    follows_.reset();
  }
  void Follow(uint64_t term, const std::string& address) override {
    if (address.empty()) return follows_.reset();
    Point(term, static_cast<size_t>(std::atoi(address.c_str())));
  }
  // Whoever has led so far is told, as a front does.
  void Point(uint64_t term, size_t leader);
  ServiceOptions Service(Post post);

  Fronts& all_;
  const size_t index_;
  const std::shared_ptr<std::deque<Work>> loop_ = std::make_shared<std::deque<Work>>();
  const Database::LinePtr line_;
  const std::unique_ptr<TermStore> terms_;
  LeaderSeat seat_;
  std::unique_ptr<Leadership> leadership_;
  std::unique_ptr<Campaign> campaign_;
  std::optional<size_t> follows_;
  uint64_t term_ = 0;
  bool stopped_ = false;
  absl::Duration next_tick_;
};

// All of them, by number. One that is killed is replaced, or not yet.
class Fronts {
 public:
  Fronts(Course& course, Database& database, ServerMetrics& metrics, size_t count)
      : course_(course), database_(database), metrics_(metrics), fronts_(count) {
    for (size_t i = 0; i < count; ++i) {
      skew_.push_back(
          {kSlowest + (kFastest - kSlowest) * course.Pick(1000) / 1000, absl::Hours(course.Pick(10'000))});
      Start(i);
    }
  }

  size_t size() const { return fronts_.size(); }
  Front* at(size_t index) { return fronts_[index].get(); }
  std::weak_ptr<Front> Reference(size_t index) const { return fronts_[index]; }
  void Start(size_t index) {
    fronts_[index] = std::make_shared<Front>(*this, index, "f" + std::to_string(++started_));
  }
  void Kill(size_t index) { fronts_[index] = nullptr; }
  void Run() {
    for (const std::shared_ptr<Front>& front : fronts_) {
      if (front != nullptr) front->Run();
    }
  }
  bool OneServes() const {
    for (const std::shared_ptr<Front>& front : fronts_) {
      if (front != nullptr && front->Serves(database_.row().term)) return true;
    }
    return false;
  }
  // The leader, as the front that is dialled knows it.
  std::optional<size_t> Dial() {
    const Front* const dialled = fronts_[course_.Pick(static_cast<uint32_t>(size()))].get();
    return dialled == nullptr || dialled->stopped() ? std::nullopt : dialled->follows();
  }
  // On that front's loop, if it is there when that has arrived.
  void Reach(
      size_t index, std::function<void(Front&)> work, absl::Duration* lane = nullptr, Work refused = [] {}) {
    course_.Later(
        [this, index, work = std::move(work), refused = std::move(refused)] {
          const std::shared_ptr<Front>& front = fronts_[index];
          if (front == nullptr) return refused();
          front->Queue([reference = std::weak_ptr<Front>(front), work] {
            if (const std::shared_ptr<Front> there = reference.lock()) work(*there);
          });
        },
        lane);
  }

  // Clocks run at rates of their own, and began at times of their own.
  double RateOf(size_t index) const { return skew_[index].first; }
  absl::Duration ClockOf(size_t index) const {
    return skew_[index].second + course_.now() * skew_[index].first;
  }
  // People set the clocks on the wall.
  void SetClocks(absl::Duration forward) { set_forward_ += forward; }
  absl::Duration set_forward() const { return set_forward_; }

  Course& course() { return course_; }
  Database& database() { return database_; }
  ServerMetrics& metrics() { return metrics_; }
  std::string NewJobId() { return "job-" + std::to_string(++jobs_); }

 private:
  Course& course_;
  Database& database_;
  ServerMetrics& metrics_;
  std::vector<std::pair<double, absl::Duration>> skew_;
  std::vector<std::shared_ptr<Front>> fronts_;
  int started_ = 0;
  int jobs_ = 0;
  absl::Duration set_forward_ = absl::ZeroDuration();
};

inline Front::Front(Fronts& all, size_t index, const std::string& name)
    : all_(all),
      index_(index),
      line_(std::make_shared<Database::Line>(Database::Line{.clock_rate = all.RateOf(index)})),
      terms_(all.database().Terms(line_)) {
  const Post post = [queue = loop_](Work work) { queue->push_back(std::move(work)); };
  leadership_ = std::make_unique<Leadership>(
      Leadership::Options{.service = Service(post),
                          .open = [this](uint64_t term) { return all_.database().Open(line_, term); },
                          .elsewhere = [](const Work& work) { work(); },
                          .lost =
                              [this](uint64_t term, const std::string& why) {
                                if (!all_.course().Has(Bug::kStaysWithoutServing))
                                  campaign_->OnLost(term, why);
                              }},
      all.metrics(), seat_);
  campaign_ = std::make_unique<Campaign>(Campaign::Options{.election = {.holder = name,
                                                                        .address = std::to_string(index),
                                                                        .lease = kLease,
                                                                        .patience = kPatience},
                                                           .post = post,
                                                           .steady_clock =
                                                               [this] {
                                                                 return all_.ClockOf(index_) +
                                                                        (all_.course().Has(Bug::kWallClock)
                                                                             ? all_.set_forward()
                                                                             : absl::ZeroDuration());
                                                               }},
                                         *terms_, *this);
}

inline ServiceOptions Front::Service(Post post) {
  ServiceOptions service;
  service.post = std::move(post);
  service.clock = [this] { return absl::UnixEpoch() + absl::Hours(500'000) + all_.course().now(); };
  service.steady_clock = [this] { return all_.ClockOf(index_); };
  service.new_job_id = [this] { return all_.NewJobId(); };
  service.dispatcher.lease = absl::Seconds(4);
  // What is to be seen here is not which jobs kill their workers.
  service.dispatcher.max_losses = service.dispatcher.losses_before_alone = 1'000'000;
  service.checkpoint_interval = absl::Milliseconds(300);
  // Little, in some worlds: then a leader gives up when it cannot write for long.
  if (all_.course().Chance(0.3)) service.held_bytes = 4000;
  return service;
}

inline void Front::Point(uint64_t term, size_t leader) {
  const std::optional<size_t> before = std::exchange(follows_, leader);
  if (!before || *before == leader || *before == index_) return;
  all_.Reach(*before,
             [term, leader](Front& front) { front.campaign_->OnHigherTerm(term, std::to_string(leader)); });
}

inline void Front::Run() {
  if (stopped_) return;
  // What is posted meanwhile has its turn in the next round.
  for (int round = 0; round < 10 && !loop_->empty(); ++round) {
    for (size_t due = loop_->size(); due > 0; --due) {
      const Work work = std::move(loop_->front());
      loop_->pop_front();
      work();
    }
  }
  if (all_.course().now() < next_tick_) return;
  next_tick_ = all_.course().now() + absl::Milliseconds(100);
  campaign_->OnTick();
  leadership_->OnTick();
  if (campaign_->frozen()) leadership_->OnFrozen();
}

}  // namespace mind::server::simulated

#endif  // MIND_TESTS_UNIT_SIMULATION_FRONTS_FRONT_H_
