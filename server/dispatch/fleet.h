// The connected workers, and for each model: who offers it how, who could take a picture of it now, and how
// busy they are. What placement asks is kept in order and in counts, so that no question looks at all
// workers.
//
// Workers that describe a model in the same words make one offer. A job that waits carries a bit for each
// offer of its model that would do for it.
//
// Plain state, like the dispatcher it belongs to.
#ifndef MIND_SERVER_DISPATCH_FLEET_H_
#define MIND_SERVER_DISPATCH_FLEET_H_

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/dispatch/active_job.h"
#include "server/dispatch/moment.h"
#include "server/dispatch/worker.h"

namespace mind::server {

class Fleet {
 public:
  // --- Workers come, change and go.

  // REQUIRES: there is none of this name. Returns the models that are now offered as they were not before:
  // what their waiting jobs would take is to be found anew.
  std::vector<std::string> Add(const v1::Register& registration, const Moment& now);
  // The worker offers these models from now on, in place of those before. What runs on it stays. Returns as
  // Add does.
  std::vector<std::string> Reoffer(Worker& worker,
                                   const google::protobuf::RepeatedPtrField<v1::Model>& models,
                                   const Moment& now);
  // REQUIRES: it is there.
  void Remove(const std::string& name);
  // Null if there is none.
  Worker* Find(const std::string& name);
  const Worker* Find(const std::string& name) const;
  // To be called after anything about it has changed that placement goes by, and once it may be trusted
  // again.
  void Refresh(Worker& worker, const Moment& now);
  // Nothing goes there until the reservation ends: when the job takes it, or ends, or the worker goes.
  void Reserve(Worker& worker, const std::string& job, const Moment& now);
  void EndReservation(const std::string& job, const Moment& now);
  // By job: the worker kept for it.
  const std::map<std::string, std::string>& reservations() const { return reservations_; }

  // --- Placement.

  // Which offers of its model would do for this job, a bit each.
  uint64_t OffersFor(const ActiveJob& job) const;
  // What a worker has room for: any picture, or those of tenants of whom no worker has any.
  enum Room { kForAll, kForNewTenants, kRooms };
  // Which offers of the model there is such room for at this priority, a bit each. No worker has both.
  uint64_t Open(const std::string& model, int priority, Room room) const;
  // Models for which room has come up since the last call.
  std::set<std::string> TakeOpened() { return std::exchange(opened_, {}); }
  // The least busy worker with such room for a picture of this job; null if there is none. One that would
  // have to load the model first counts as busier, one on which it has waited in vain comes last, and one
  // that keeps failing the model is taken only if there is no other, busy or not.
  Worker* Choose(const ActiveJob& job, Room room = kForAll) const;
  // The same with nothing running on it.
  Worker* ChooseIdle(const ActiveJob& job) const;
  // Whether this worker has room for it now.
  bool Fits(const Worker& worker, const ActiveJob& job) const;
  // Workers that could make it, now or when they have room.
  int64_t Able(const ActiveJob& job) const;
  // Workers that take pictures of the model, now or when they have room.
  int64_t Able(const std::string& model) const;
  // Of the workers that take pictures of `model`, the share that takes those of `other` too: 0 if there are
  // none.
  double Share(const std::string& model, const std::string& other) const;

  // --- Views.

  const std::map<std::string, Worker>& workers() const { return workers_; }
  // Models that somebody has offered since the start, connected or not.
  const std::set<std::string>& known_models() const { return known_models_; }
  struct Census {
    int64_t starting = 0;  // have not sent their capacity
    int64_t ready = 0;
    int64_t busy = 0;
    int64_t draining = 0;
    int64_t stuck = 0;
  };
  const Census& census() const { return census_; }

 private:
  // A worker with room, as busy as it looks to a model. Of equally busy ones, who came first is first.
  struct Seat {
    int64_t load = 0;
    uint64_t number = 0;
    Worker* worker = nullptr;
    bool operator<(const Seat& other) const {
      return load != other.load ? load < other.load : number < other.number;
    }
  };
  // An offer, and who makes it.
  struct Group {
    std::unique_ptr<Offer> offer;
    int64_t members = 0;
    int64_t able = 0;
    int64_t trusted = 0;  // of those
    std::array<std::set<Seat>, kPriorities> open[kRooms];
  };
  struct ModelEntry {
    std::vector<Group> groups;  // by bit
    int64_t able = 0;
    std::map<std::string, int64_t> shared;  // by other model: workers that are able for both
  };
  // How a worker stands in the groups of one of its models.
  struct Stand {
    std::string model;
    ModelEntry* entry = nullptr;
    size_t group = 0;
    bool loaded = false;
    bool trusted = false;
    bool seated[kRooms][kPriorities] = {};
    int64_t load = 0;  // of its seats
  };
  struct Record {
    uint64_t number = 0;        // in the order in which they came
    std::vector<Stand> stands;  // one a model
    bool able = false;
    bool idle = false;
    bool reserved = false;
    uint64_t loads = 0;  // of the worker, when `loaded` of its stands was found
    int64_t Census::*counted = nullptr;
  };

  // Offers beyond so many of a model share the last bit: what they allow is looked at worker by worker.
  static constexpr size_t kMaxGroups = 64;

  // The group of this offer; `added` if what its bit means is new.
  static size_t GroupOf(ModelEntry& entry, const v1::Model& model, bool& added);
  // Into the groups of the models that it offers, and out of them. The former returns as Add does.
  std::vector<std::string> TakeStands(const Worker& worker, Record& record);
  void LeaveStands(Worker& worker, Record& record);
  void SetAble(Record& record, bool able);
  void SetTrusted(Stand& stand, bool trusted);
  void TakeSeats(Worker& worker, const Record& record, Stand& stand, bool open);
  // Into these seats, out of them, or to where `load` belongs among them.
  void TakeSeat(std::set<Seat>& seats, bool& was_seated, bool seated, const Stand& stand, const Seat& seat);
  void Count(const Worker& worker, Record& record);
  // Calls `visit` with the seats of such room there are for this job, in each group the least busy first,
  // until it returns true: the group's best.
  template <typename Visit>
  void VisitSeats(const ActiveJob& job, Room room, Visit visit) const;
  // The members of its groups that `count` tells, but for the workers that have failed it.
  int64_t CountFor(const ActiveJob& job, int64_t Group::*count, bool trusted_only) const;
  const ModelEntry* FindModel(const std::string& model) const;

  std::map<std::string, Worker> workers_;
  absl::flat_hash_map<std::string, Worker*> by_name_;  // the same, found sooner
  absl::flat_hash_map<const Worker*, std::unique_ptr<Record>> records_;
  uint64_t came_ = 0;
  std::map<std::string, ModelEntry> models_;
  std::set<std::string> opened_;
  std::set<std::string> known_models_;
  std::map<std::string, std::string> reservations_;  // by job: the worker
  Census census_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_FLEET_H_
