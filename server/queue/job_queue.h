// The order in which waiting pictures are given to workers.
//
// A job waits with some of its pictures: those that have not begun, and those that a worker has given back.
// Priority class first. Within a class: jobs with pictures given back; then jobs whose deadline leaves no
// slack, nearest deadline first; then by fair turns between tenants (FairTurns), where each picture is a
// portion; then by arrival. A picture is taken from the first job that the worker with room can make.
//
// A job may be held, because its tenant has as much running as it may: it keeps its place and is passed over.
// Of those of a tenant that are held, Release lets go the first of each kind, so that neither looks at all of
// them, however many there are: whoever finds that there is no room for one after all holds it again.
//
// One Line a model and class keeps order and running sums, so that nothing here looks at all that wait.
//
// Plain state: no threads, no clock of its own, no I/O. Times come in with the calls.
#ifndef MIND_SERVER_QUEUE_JOB_QUEUE_H_
#define MIND_SERVER_QUEUE_JOB_QUEUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/time/time.h"
#include "server/queue/by_id.h"
#include "server/queue/fair_turns.h"
#include "server/queue/line.h"
#include "server/queue/rarely.h"
#include "server/queue/work.h"

namespace mind::server {

struct QueuedJob {
  std::string id;
  std::string tenant;
  std::string model;
  int priority = 0;      // higher goes first
  uint64_t offers = 1;   // which of the model's offers would do, a bit each
  int64_t pictures = 1;  // that have not begun
  Work picture;          // one of them
  absl::Time deadline = absl::InfiniteFuture();
  double weight = 1;  // of its tenant: twice as much for twice the share; more than 0
};

class JobQueue {
  struct Model;
  using Tenants = std::map<std::string, int64_t>;  // jobs in the queue, by tenant; none has none

 public:
  // Pictures of a job that a worker has given back.
  struct Returned {
    int64_t pictures = 0;
    Work work;  // of all of them
  };

  // What models cost until SetPrice says otherwise.
  explicit JobQueue(const Price& default_price);

  // --- Jobs. One whose last picture has been taken is not in the queue.

  // At the tail of its class and tenant. REQUIRES: it is not in the queue, and has pictures.
  void Push(const QueuedJob& job);
  // So many of its pictures now wait that had begun: they go before all others of the class, and their tenant
  // is not charged again. For a job that is not in the queue, `job.pictures` must be 0.
  void SetReturned(const QueuedJob& job, const Returned& returned);
  // A picture that had not begun goes to a worker. REQUIRES: the job has one.
  void Take(const std::string& id);
  // A picture that had not begun need not be made any more. REQUIRES: the job has one.
  void Drop(const std::string& id);
  // The job will not go on: its tenant gets back what it was charged for pictures that have not begun. False
  // if it is not in the queue.
  bool Remove(const std::string& id);
  // REQUIRES: Contains(id)
  void SetOffers(const std::string& id, uint64_t offers);
  // It is passed over until it is released. REQUIRES: Contains(id)
  void Hold(const std::string& id);
  // Of the tenant's jobs that are held, the first of each model and class that would take the same offers are
  // so no more. Their models.
  std::set<std::string> Release(const std::string& tenant);

  // --- Time and prices.

  // Deadlines that leave no slack by now put their jobs forward, for good.
  void Advance(absl::Time now);
  // What the model costs from now on. Estimates and slack follow, turns already given do not.
  void SetPrice(const std::string& model, const Price& price);
  const Price& PriceOf(const std::string& model) const;

  // --- Who is next.

  // A waiting job, by its place.
  class Waiting : private Line::Node, private FairTurns::Claim {
   public:
    const std::string& id() const { return id_; }
    const std::string& tenant() const { return tenant_->first; }
    // Whether it goes before the other. REQUIRES: both of one class.
    bool GoesBefore(const Waiting& other) const { return turn < other.turn; }
    bool returned() const { return returned_->pictures > 0; }

   private:
    friend class JobQueue;
    struct ReturnedAt : Returned {
      uint64_t arrival = 0;
    };
    struct Times {
      absl::Time deadline = absl::InfiniteFuture();
      absl::Time slack_until = absl::InfiniteFuture();  // as it stands in Model::slack
    };
    std::string id_;
    Tenants::value_type* tenant_ = nullptr;  // a name for all of its jobs: a million hold it once
    Model* model_ = nullptr;
    int priority_ = 0;
    bool urgent_ = false;
    bool held_ = false;
    uint64_t takes_ = 0;  // offers that would do for it; while it is held its node says none
    Work picture_;
    Rarely<ReturnedAt> returned_;
    uint64_t arrival_ = 0;
    Rarely<Times> times_;
  };
  // The first of a class and model that one of these offers would do for; null if there is none. And the one
  // after that. Valid until the queue changes.
  const Waiting* First(const std::string& model, int priority, uint64_t offers) const;
  static const Waiting* Next(const Waiting& waiting, uint64_t offers);
  // Calls `visit` with each job of the model. It may set offers, and change nothing else of the queue.
  void ForEach(const std::string& model, const std::function<void(const std::string& id)>& visit) const;

  // --- Sums.

  size_t size() const { return entries_.size(); }
  bool Contains(const std::string& id) const { return entries_.Find(id) != nullptr; }
  // REQUIRES: Contains(id)
  bool IsHeld(const std::string& id) const { return Get(id).held_; }
  // Tenants with jobs that are held; the one of them that comes after that name, round and round.
  // REQUIRES: there is one.
  size_t holding() const { return held_.size(); }
  const std::string& HoldingAfter(const std::string& tenant) const;
  // Jobs of this class.
  int64_t Waits(int priority) const;
  // How many jobs go before it. REQUIRES: Contains(id)
  int64_t AheadOf(const std::string& id) const;
  // What those cost, each weighed by the share of its model.
  using Shares = std::function<double(const std::string& model)>;
  double CostAheadOf(const std::string& id, const Shares& share) const;
  // The same for a job of this class and tenant that would come now.
  double CostAheadOfNew(int priority, const std::string& tenant, const Shares& share) const;
  struct Sum {
    int64_t jobs = 0;
    int64_t steps = 0;
    double cost_seconds = 0;
  };
  // Of a model, if any wait; of all models with waiting jobs.
  Sum Of(const std::string& model) const;
  std::map<std::string, Sum> ByModel() const;

 private:
  struct Model {
    std::string name;
    Price price;
    std::map<int, Line, std::greater<>> lines;        // by class; none is empty
    std::set<std::pair<absl::Time, Waiting*>> slack;  // who becomes urgent when, or later
    Price slack_price;                                // by which those times were worked out, or a lower one
  };

  Model& ModelOf(const std::string& name);
  Waiting& Add(const QueuedJob& job);
  // REQUIRES: Contains(id)
  Waiting& Get(const std::string& id) const { return *entries_.Find(id); }
  // Into its line, where it belongs now; out of it; and anew, or out of the queue if nothing of it waits.
  void Enter(Waiting& waiting);
  void Exit(Waiting& waiting);
  void Reenter(Waiting& waiting);
  void Forget(Waiting& waiting);
  static absl::Time SlackUntil(const Waiting& waiting);
  // Notes when its deadline leaves no slack, instead of what was noted before.
  static void WatchSlack(Waiting& waiting);
  static void UnwatchSlack(Waiting& waiting);
  static Sum SumOf(const Model& model);
  // What goes before this turn of a class, each weighed by the share of its model.
  double CostBefore(int priority, const Turn& turn, const Shares& share) const;
  // Among those that are held, by its turn; and out of them.
  void NoteHeld(Waiting& waiting);
  void ForgetHeld(const Waiting& waiting);
  // It is held no more. REQUIRES: it is.
  void LetGo(Waiting& waiting);

  const Price default_price_;
  std::map<std::string, Model> models_;
  ById<Waiting> entries_;
  Tenants tenants_;
  std::map<int, int64_t> by_priority_;
  // By tenant, and by what those of a kind have in common: model, class and offers.
  using Kind = std::tuple<const Model*, int, uint64_t>;
  std::map<std::string, std::map<Kind, std::map<Turn, Waiting*>>> held_;  // nothing in it is empty
  FairTurns turns_;
  uint64_t arrivals_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_JOB_QUEUE_H_
