// What everything in a simulation of fronts shares: time, chance, what is on its way, and the first thing
// that was wrong.
#ifndef MIND_TESTS_UNIT_SIMULATION_FRONTS_COURSE_H_
#define MIND_TESTS_UNIT_SIMULATION_FRONTS_COURSE_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "absl/time/time.h"

namespace mind::server::simulated {

using Work = std::function<void()>;

// Shorter than the product's, so that much happens in little time; what it is compared with is shorter too.
inline constexpr absl::Duration kLease = absl::Seconds(2);     // of a leader
inline constexpr absl::Duration kPatience = absl::Seconds(8);  // of one without its database
inline constexpr double kSlowest = 0.7, kFastest = 1.4;        // clocks

// Mistakes that could be made; each must be found.
enum class Bug {
  kNone,
  // Of the database.
  kNoFence,              // it takes writes of any term
  kLateWrites,           // what nobody has heard of for a while is done after all, amid what came since
  kMixesStates,          // it gives a picture the state of another
  kAsynchronousStandby,  // a standby that takes over lacks the last that the primary has said yes to
  // Of the election.
  kWallClock,            // it goes by a clock that people set
  kStaysWithoutServing,  // a leader that cannot take up the jobs keeps the term
  // Of what waits for a commit.
  kSaysYesTooEarly,     // it leaves before
  kTakesSilenceForYes,  // it leaves when nobody knows whether there was one
  // Of a leader that takes over.
  kForgetsRequests,  // it does not find the requests of earlier ones
  kForgetsAttempts,  // it numbers attempts from 1
  kForgetsPictures,  // it takes finished pictures for missing ones
  kForgetsEnds,      // it takes jobs that have ended for unfinished ones
  kForgetsAJob,      // it does not take up the newest
  kFavoursATenant,   // one tenant's jobs go first
};

class Course {
 public:
  Course(uint32_t seed, Bug bug) : random_(seed), bug_(bug) {}

  bool Has(Bug bug) const { return bug_ == bug; }

  uint32_t Pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool Chance(double probability) { return random_() < probability * 4294967296.0; }

  // From now on all goes well.
  void CalmDown() { calm_ = true; }
  bool calm() const { return calm_; }

  void Violated(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }
  // Empty: all is as it must be.
  const std::string& violation() const { return violation_; }

  absl::Duration now() const { return now_; }
  void At(absl::Duration when, Work work) { later_.emplace(when, std::move(work)); }
  // Something that takes its time to get there; in one lane nothing overtakes.
  void Later(Work work, absl::Duration* lane = nullptr) {
    const uint32_t longest = calm_ || !Chance(0.1) ? 30 : 2000;
    absl::Duration arrival = now_ + absl::Milliseconds(1 + Pick(longest));
    if (lane != nullptr) *lane = arrival = std::max(arrival, *lane);
    At(arrival, std::move(work));
  }
  // Lets time pass until the next thing happens, which it does, or until then. False: nothing has happened.
  bool Next(absl::Duration end) {
    if (later_.empty() || later_.begin()->first > end) {
      now_ = end;
      return false;
    }
    auto next = later_.extract(later_.begin());
    now_ = std::max(now_, next.key());
    next.mapped()();
    return true;
  }

 private:
  std::mt19937 random_;
  const Bug bug_;
  bool calm_ = false;
  std::string violation_;
  absl::Duration now_ = absl::ZeroDuration();
  std::multimap<absl::Duration, Work> later_;
};

}  // namespace mind::server::simulated

#endif  // MIND_TESTS_UNIT_SIMULATION_FRONTS_COURSE_H_
