// One connected worker, as the dispatcher sees it: what it offers, what runs on it, and how well it does.
//
// Plain state, like the dispatcher it belongs to.
#ifndef MIND_SERVER_DISPATCH_WORKER_H_
#define MIND_SERVER_DISPATCH_WORKER_H_

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "mind/v1/generation.pb.h"
#include "mind/v1/worker.pb.h"
#include "server/dispatch/moment.h"
#include "server/dispatch/offer.h"
#include "server/queue/work.h"

namespace mind::server {

// When a picture that does not move counts as hanging.
struct ProgressLimits {
  // Once it has begun: this, or that many times what a step of it has been measured to take here, whichever
  // is longer.
  absl::Duration stall = absl::Seconds(60);
  double stall_steps = 20;
  // Before it has begun (a model may have to be loaded, or memory to become free), and where the model's
  // speed has not been measured yet: at least this.
  absl::Duration start = absl::Minutes(10);
};

// Priorities as places in an array.
inline constexpr size_t kPriorities = v1::Priority_MAX + 1;
inline size_t PlaceOf(int priority) {
  return static_cast<size_t>(std::clamp(priority, 0, static_cast<int>(v1::Priority_MAX)));
}

class Worker {
 public:
  // Workers are never given more than this at once, whatever they say.
  static constexpr uint32_t kMaxImages = 1024;

  struct PictureKey {
    std::string job;
    uint32_t attempt = 0;
    uint32_t image = 0;
    bool operator<(const PictureKey& other) const {
      return std::tie(job, attempt, image) < std::tie(other.job, other.attempt, other.image);
    }
  };
  // A picture on a worker, whatever has become of its job: it takes up room until the worker says it has
  // ended.
  struct Picture {
    int priority = 0;
    std::string model;
    std::string tenant;
    std::string revision;  // of the weights it is made with; empty: not known
    double rows_per_step = 1;
    bool alone = false;     // no other job's may run beside it
    bool started = false;   // denoising has begun
    bool stopping = false;  // the worker has been told to stop it
    bool hangs = false;     // it did not move, or not stop, in time
    absl::Duration moved;   // when it last was given, moved on, could move, or was told to stop
    Work left;              // to be done; nothing once it is to be stopped
  };

  Worker(const v1::Register& registration, const Moment& now);

  // --- What it says.

  void Hear(const Moment& now) { last_heard_ = now.steady; }
  // Speeds that are none, and what it does not offer, are passed over; speeds that cannot be are taken for
  // the nearest that can.
  void SetCapacity(const v1::Capacity& capacity);
  void SetDraining() { draining_ = true; }
  // What it offers from now on. Of models with other weights, or none any more, failures and speeds are
  // forgotten.
  void SetModels(const google::protobuf::RepeatedPtrField<v1::Model>& models);
  // A picture of this model came out well, or failed for a reason that lies with the worker. After
  // `max_failures` in a row the worker is not trusted with the model until `cool_down` has passed; one more
  // failure then is enough.
  void NoteSuccess(const std::string& model) { failures_.erase(model); }
  void NoteFailure(const std::string& model, int max_failures, absl::Duration cool_down, const Moment& now);

  // --- What runs on it.

  // REQUIRES: it is not there.
  void Add(const PictureKey& key, Picture picture);
  // False if it was not there.
  bool Remove(const PictureKey& key, const Moment& now);
  // Null if it is not there.
  const Picture* Find(const PictureKey& key) const;
  // It is being made. REQUIRES: it is there.
  void NoteMoved(const PictureKey& key, const Work& left, const Moment& now);
  // The worker is being told to stop it. REQUIRES: it is there.
  void NoteStopping(const PictureKey& key, const Moment& now);
  const std::map<PictureKey, Picture>& running() const { return running_; }
  // All that it has to do.
  const Work& left() const { return left_; }

  // --- Time.

  absl::Duration last_heard() const { return last_heard_; }
  struct Overdue {
    PictureKey key;
    // It only waits, for a model or for memory: others move. Otherwise it hangs.
    bool waits = false;
  };
  // Pictures that have not moved, or not stopped, for too long. Those that higher ones keep from moving are
  // not among them; those found hanging are marked so.
  std::vector<Overdue> FindOverdue(const ProgressLimits& limits, const Moment& now);
  // Until then there is nothing new for FindOverdue to find, unless pictures come, are told to stop, or
  // become fewer; at most one stall limit from now.
  absl::Duration NextOverdue(const ProgressLimits& limits, const Moment& now) const;
  // Whether the engine says that it has been at one step for longer than that.
  bool EngineHangs(absl::Duration limit) const {
    return absl::Milliseconds(capacity_.last_step_age_ms()) > limit;
  }

  // --- For placement.

  // Null if it does not have the model.
  const Offer* OfferOf(const std::string& model) const;
  bool HasLoaded(const std::string& model) const;
  // How often what it has loaded has changed.
  uint64_t loads() const { return loads_; }
  // Whether it takes work at all now.
  bool usable() const { return ready_ && !draining_ && !stuck(); }
  bool Trusted(const std::string& model, const Moment& now) const;
  // When it is trusted with the model again; the infinite past if it never was not.
  absl::Duration TrustedAgain(const std::string& model) const;
  int64_t Occupied(int priority) const;  // pictures of this priority or higher
  // Pictures it would still take at this priority: lower ones can be paused and do not count.
  int64_t Room(int priority) const { return int64_t{capacity_.max_images()} - Occupied(priority); }
  // Pictures it would take beyond that when there is no such room, of tenants of whom no worker has any: a
  // quarter of its places more (none, if it has fewer than four), unless higher ones keep it from moving. The
  // engine lets short ones pass long ones, but only those that it has.
  int64_t RoomBeyond(int priority) const;
  // Whether a picture that must be alone runs on it.
  bool RunsAlone() const { return alone_ > 0; }

  // Seconds a row of this model takes here, if it has been measured.
  std::optional<double> RowSeconds(const std::string& model) const;

  const std::string& name() const { return registration_.name(); }
  const v1::Register& registration() const { return registration_; }
  const v1::Capacity& capacity() const { return capacity_; }
  absl::Time connected() const { return connected_; }
  bool ready() const { return ready_; }  // has sent its capacity
  bool draining() const { return draining_; }
  bool stuck() const { return hanging_ > 0; }
  // For people. One that has not sent its capacity yet is as good as busy.
  v1::WorkerState state() const;

 private:
  struct Failures {
    int in_a_row = 0;
    absl::Duration trusted_again = -absl::InfiniteDuration();
  };

  absl::Duration Patience(const Picture& picture, const ProgressLimits& limits) const;
  void SetLeft(Picture& picture, const Work& left);
  // Takes it into the counts, or out of them.
  void Count(const Picture& picture, int by);
  // One of this priority moves no more: if it was the last, those below have not been able to until now.
  void NoteBlocked(int priority, const Moment& now);
  // The highest that can move; below 0 if there is none.
  int HighestMoving() const;
  // Whether another picture has moved within that time.
  bool OthersMove(const PictureKey& key, absl::Duration limit, const Moment& now) const;

  v1::Register registration_;  // with the models that it offers now
  const absl::Time connected_;
  std::map<std::string, Offer> offers_;
  v1::Capacity capacity_;
  uint64_t loads_ = 0;
  bool ready_ = false;
  bool draining_ = false;
  absl::Duration last_heard_;
  std::map<PictureKey, Picture> running_;
  std::array<int64_t, kPriorities> by_priority_{};  // of those
  int64_t alone_ = 0;
  int64_t hanging_ = 0;
  Work left_;
  std::map<std::string, double> row_seconds_;  // by model
  std::map<std::string, Failures> failures_;   // by model
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_WORKER_H_
