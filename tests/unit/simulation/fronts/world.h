// Fronts, their database, workers and clients: what befalls them while all goes badly, and that all ends when
// it goes well.
#ifndef MIND_TESTS_UNIT_SIMULATION_FRONTS_WORLD_H_
#define MIND_TESTS_UNIT_SIMULATION_FRONTS_WORLD_H_

#include <cstdint>
#include <list>
#include <string>

#include "tests/unit/simulation/fronts/client.h"
#include "tests/unit/simulation/fronts/course.h"
#include "tests/unit/simulation/fronts/database.h"
#include "tests/unit/simulation/fronts/front.h"
#include "tests/unit/simulation/fronts/worker.h"

namespace mind::server::simulated {

// How much there is in a world. Most are small: faults meet where little else happens. In the large ones much
// is under way when they come; in the crowded ones much waits for the leader that takes over at the end.
struct Scale {
  size_t fronts = 2, workers = 2, clients = 4;
  int steps = 90;
  double pace = 0.3;     // of workers
  bool all_die = false;  // the fronts, before all goes well

  static Scale Of(uint32_t seed) {
    if (seed % 8 == 0) return {.fronts = 3, .workers = 3, .clients = 8, .steps = 150};
    if (seed % 8 == 4)
      return {.fronts = 2, .workers = 2, .clients = 9, .steps = 40, .pace = 0.03, .all_die = true};
    return {.fronts = 2 + seed % 2};
  }
};

class World {
 public:
  World(uint32_t seed, const Scale& scale, Bug bug, ServerMetrics& metrics)
      : course_(seed, bug), database_(course_), fronts_(course_, database_, metrics, scale.fronts) {
    for (size_t i = 0; i < scale.workers; ++i) {
      workers_.emplace_back(fronts_, "w" + std::to_string(i), scale.pace);
    }
    for (size_t i = 0; i < scale.clients; ++i) clients_.emplace_back(fronts_, i);
  }

  ~World() {
    // While those are there who wait for their answers.
    for (size_t i = 0; i < fronts_.size(); ++i) fronts_.Kill(i);
  }

  const std::string& violation() const { return course_.violation(); }

  void Chaos(int steps) {
    for (int i = 0; i < steps && violation().empty(); ++i) {
      if (course_.Chance(0.25)) Misfortune();
      Step(absl::Milliseconds(20 + course_.Pick(400)));
    }
  }

  // All goes well from here on: somebody leads, and everything ends.
  void Calm(const Scale& scale) {
    course_.CalmDown();
    database_.SetAway(false);
    for (size_t i = 0; i < fronts_.size(); ++i) {
      if (scale.all_die) Kill(i);
      if (fronts_.at(i) == nullptr) fronts_.Start(i);
      fronts_.at(i)->Cut(false);
      fronts_.at(i)->Stop(false);
    }
    // A leader is found when a lease has passed on the slowest clock, twice, for one that was just missed;
    // what had been sent before may be slow still.
    const absl::Duration bound = course_.now() + 2 * kLease / kSlowest + absl::Seconds(5);
    while (violation().empty() && !fronts_.OneServes()) {
      Step(absl::Milliseconds(100));
      if (course_.now() > bound) course_.Violated("nobody leads long after all went well again");
    }
    const absl::Duration end = course_.now() + absl::Minutes(3);
    while (violation().empty() && !AllEnded()) {
      Step(absl::Milliseconds(250));
      if (course_.now() > end) course_.Violated("a job starves");
    }
  }

 private:
  bool AllEnded() const {
    return std::all_of(clients_.begin(), clients_.end(), [](const Client& client) { return client.done(); });
  }

  void Step(absl::Duration time) {
    const absl::Duration end = course_.now() + time;
    while (course_.Next(end)) fronts_.Run();
    fronts_.Run();
    for (Worker& worker : workers_) worker.GoOn();
    for (Client& client : clients_) client.GoOn();
  }

  void Misfortune() {
    const size_t index = course_.Pick(static_cast<uint32_t>(fronts_.size()));
    Front* const front = fronts_.at(index);
    switch (course_.Pick(12)) {
      case 0:
        return front == nullptr ? fronts_.Start(index) : Kill(index);
      case 1:
      case 2:
        return front == nullptr ? fronts_.Start(index) : front->Stop(!front->stopped());
      case 3:
      case 4:
        if (front != nullptr) front->Cut(!front->cut());
        return;
      case 5:
        return database_.SetAway(!database_.away() && course_.Chance(0.5));
      case 6:
        return database_.Crash();
      case 7:
        return database_.FailOver();
      case 8:
        if (front != nullptr && !front->stopped()) Retire(index);
        return;
      case 9:
        return fronts_.SetClocks(absl::Hours(1));
      default: {
        auto worker = workers_.begin();
        std::advance(worker, course_.Pick(static_cast<uint32_t>(workers_.size())));
        return worker->Disconnect();
      }
    }
  }
  void Retire(size_t index) {
    fronts_.at(index)->Retire();
    course_.Later([this, index, reference = fronts_.Reference(index)] {
      if (!reference.expired()) Kill(index);
    });
  }
  void Kill(size_t index) {
    fronts_.Kill(index);
    for (Worker& worker : workers_) worker.OnKilled(index);
    if (course_.calm() || course_.Chance(0.5)) fronts_.Start(index);
  }

  Course course_;
  Database database_;
  Fronts fronts_;
  std::list<Worker> workers_;  // that know their places
  std::list<Client> clients_;
};

}  // namespace mind::server::simulated

#endif  // MIND_TESTS_UNIT_SIMULATION_FRONTS_WORLD_H_
