// Which worker does what: jobs, workers, attempts, leases and placement.
//
// Plain state: every call is an event with the time it happened, every return value the actions that follow
// from it. No threads, no clock, no I/O, so that a test (or a simulation of many faults) drives it directly.
// The threaded shell around it is generation/service.
//
// No event looks at all jobs or all workers: order is the JobQueue's, room the Fleet's, what is due is found
// by its time, and sums are kept as they change.
//
// dispatcher.cc takes the events, leases.cc those that time brings, placement.cc decides where pictures go,
// estimates.cc says how long they take.
#ifndef MIND_SERVER_DISPATCH_DISPATCHER_H_
#define MIND_SERVER_DISPATCH_DISPATCHER_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/worker.pb.h"
#include "server/dispatch/actions.h"
#include "server/dispatch/active_job.h"
#include "server/dispatch/due_times.h"
#include "server/dispatch/fleet.h"
#include "server/dispatch/moment.h"
#include "server/dispatch/prices.h"
#include "server/dispatch/running_work.h"
#include "server/dispatch/tenant_room.h"
#include "server/dispatch/worker.h"
#include "server/queue/by_id.h"
#include "server/queue/job_queue.h"

namespace mind::server {

class Dispatcher {
 public:
  struct Options {
    // A worker not heard for this long is lost. Workers report at least three times as often.
    absl::Duration lease = absl::Seconds(10);
    // Ticks come at least this often. Time beyond it in which none came is nobody's silence: the server was
    // not listening.
    absl::Duration late_tick = absl::Seconds(1);
    // When a picture that does not move is taken from its worker.
    ProgressLimits progress;
    // A job that takes this many workers with it, or hangs them, without getting further in between, is
    // failed: it may be what kills them. From `losses_before_alone` on it runs with nothing beside it, so
    // that it takes no other job along.
    int max_losses = 5;
    int losses_before_alone = 2;
    // A job that this many workers have failed, for reasons that lie with them, is failed.
    int max_failures = 3;
    // A worker that fails this many pictures of a model in a row is given no more of them for a while, if
    // others have the model.
    int failures_before_distrust = 3;
    absl::Duration distrust = absl::Minutes(1);
    // A job that has begun goes on only with the weights it began with. When no worker has had them for this
    // long, what is left of it begins anew with others.
    absl::Duration revision_patience = absl::Minutes(10);
    // What one evaluation row is taken to cost before any worker has measured the model.
    double default_row_seconds = 0.05;
    // A tenant's share of the workers' time, against the others'; more than 0.
    std::function<double(const std::string& tenant)> weight_of = [](const std::string&) { return 1.0; };
    // Pictures of a tenant's that workers may have at a time; 0: any number. What is beyond waits in its
    // place, and others pass it.
    TenantRoom::LimitOf running_limit_of = [](const std::string&) { return 0U; };
  };

  explicit Dispatcher(const Options& options)
      : options_(options),
        queue_(Price{.row = options.default_row_seconds}),
        tenants_(options.running_limit_of) {}

  // Jobs. A new job must be QUEUED with spec and defaults filled in; `rows` is its cost in denoiser rows over
  // all pictures, each of them for its picture's size and `reference_megapixels` more; `images_done` are
  // pictures that need not be made (after a restart).
  Actions OnSubmit(const v1::Job& job, double rows, const std::set<uint32_t>& images_done, const Moment& now,
                   double reference_megapixels = 0);
  // The state of a picture of it, made with these weights, that an earlier run of the server has kept. It is
  // not placed by that.
  void TakeKept(const std::string& id, uint32_t image, uint32_t step, const std::string& revision,
                std::shared_ptr<const std::string> data, const Moment& now);
  // Ends a job that has not ended, as CANCELLED or FAILED with this error. Nothing for other ids.
  Actions OnCancel(const std::string& id, const absl::Status& reason, const Moment& now);

  // Workers. Whether this one may connect: ALREADY_EXISTS while another process of its name is connected.
  absl::Status CheckName(const v1::Register& registration) const;
  // Replaces a worker of the same name, as if that had been lost.
  Actions OnWorkerConnected(const v1::Register& registration, const Moment& now);
  Actions OnWorkerLost(const std::string& worker, const Moment& now);
  // A connected worker offers these models from now on. What it has begun it goes on with.
  Actions OnModelsOffered(const std::string& worker,
                          const google::protobuf::RepeatedPtrField<v1::Model>& models, const Moment& now);
  // One message of a connected worker (not `register`); also renews its lease. It is believed about pictures
  // of attempts that this worker holds; checkpoints also about older attempts of its own, and about
  // those of an earlier run of the server. Results must have passed AcceptsResult.
  Actions OnWorkerMessage(const std::string& worker, const v1::ConnectRequest& message, const Moment& now);

  // Leases, standstill, deadlines, and jobs that can be placed now. Call often (Options::late_tick).
  Actions OnTick(const Moment& now);

  // Whether waiting jobs may be placed; they may at first. From the next event on; what runs goes on.
  void SetPlacing(bool placing) { placing_ = placing; }

  // Whether that worker holds this picture in this attempt, the newest that has the picture, so that what it
  // says of it counts.
  bool Holds(const std::string& worker, const v1::ImageRef& image) const;
  // Whether a finished picture of an older attempt, which this worker had or an earlier run of the server
  // knew, is wanted: it waits to be made again.
  bool WantsBack(const std::string& worker, const v1::ImageRef& image) const;
  // Instead of OnWorkerMessage, for a picture that is. REQUIRES: WantsBack
  Actions OnResultBroughtBack(const std::string& worker, const v1::ImageRef& image, const Moment& now);
  // Whether a result of this picture from this worker counts: one that it holds, not done before.
  bool AcceptsResult(const std::string& worker, const v1::ImageRef& image) const {
    return Holds(worker, image);
  }

  // --- Views.

  // The job as it is now, if it has not ended.
  const v1::Job* Find(const std::string& id) const;
  // The same with its pictures and attempts; valid until the next event. Null: it has ended.
  const ActiveJob* FindActive(const std::string& id) const;
  // Jobs with pictures that wait; jobs with pictures on a worker. One can be both.
  size_t queued_jobs() const { return queue_.size(); }
  size_t running_jobs() const { return running_jobs_; }
  size_t workers() const { return fleet_.workers().size(); }
  const JobQueue& queue() const { return queue_; }
  const Fleet& fleet() const { return fleet_; }
  // What the model costs: by the connected workers that have measured it, else the last that was known, else
  // the default. All that is not the default can be kept, and set after a restart.
  const Price& PriceOf(const std::string& model) const { return queue_.PriceOf(model); }
  std::map<std::string, Price> KnownPrices() const { return prices_.All(); }
  // Null: it is not known.
  const Price* FindPrice(const std::string& model) const { return prices_.Find(model); }
  void SetPrice(const std::string& model, const Price& price);
  // How long a job of this model, priority and tenant would wait if it came now, by the work that goes before
  // it on the workers that have the model, as far as that is expected to be theirs; empty if none is
  // connected.
  std::optional<absl::Duration> EstimatedWait(const std::string& model, int priority,
                                              const std::string& tenant) const;
  std::optional<absl::Duration> EstimatedWaitOf(const std::string& id) const;
  std::optional<absl::Duration> EstimatedRemaining(const std::string& id) const;
  // By name. Valid until the next event.
  const std::map<std::string, Worker>& Workers() const { return fleet_.workers(); }
  size_t RunningImages(const std::string& worker) const;
  std::map<std::string, int64_t> RunningByModel() const { return running_.Jobs(); }
  // Of one worker, for what is left of what runs, by model.
  std::map<std::string, double> RunningSeconds() const;

 private:
  friend class DispatcherAudit;  // recounts, in tests

  static Worker::PictureKey KeyOf(const v1::ImageRef& image) {
    return {image.job_id(), image.attempt(), image.image_index()};
  }
  // Null unless the worker holds it.
  ActiveJob* FindHeld(const std::string& worker, const v1::ImageRef& image);
  QueuedJob ToQueued(const ActiveJob& job) const;

  // --- Events (dispatcher.cc).

  void OnCapacity(Worker& worker, const v1::Capacity& capacity, const Moment& now);
  void OnStarted(Worker& worker, const v1::ImageStarted& started, const Moment& now, Actions& actions);
  void OnProgress(Worker& worker, const v1::ImageProgress& progress, const Moment& now);
  void OnCheckpoint(const Worker& worker, const v1::ImageRef& image, uint32_t step, const std::string& data,
                    const Moment& now);
  void OnResult(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions);
  void OnFailure(Worker& worker, const v1::ImageRef& image, const absl::Status& error, const Moment& now,
                 Actions& actions);
  // The worker no longer has this picture, and has not made it.
  void OnImageLeft(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions);
  // The state of this picture may be news.
  void OnKept(ActiveJob& job, uint32_t image, const Moment& now);
  // It takes up no more room there.
  void FreeRoom(Worker& worker, const Worker::PictureKey& key, const Moment& now);
  // An attempt that has ended, and not with results alone, is told of.
  static void ReportIfGivenBack(const ActiveJob& job, uint32_t attempt, Actions& actions);
  // A worker has a picture of the tenant's less.
  void EndRunning(const std::string& tenant);
  // Something of what is held for the tenant may be placed, if it has room. The models of what that is.
  std::set<std::string> ReleaseHeld(const std::string& tenant);
  // What waits of it has changed, or what would do for it: the queue is told.
  void Requeue(ActiveJob& job, const Moment& now);
  // Whether it runs may have changed.
  void CountRunning(ActiveJob& job);
  void ForgetFailed(const ActiveJob& job);
  // What its waiting jobs would take is found anew: an offer of the model means something else.
  void FindOffersAnew(const std::string& model);
  // The worker no longer offers it.
  void ForgetModelOf(const std::string& worker, const std::string& model);
  void LoseWorker(const std::string& name, const Moment& now, Actions& actions);
  // Tells the attempt's worker to stop, if it is at it.
  void Stop(const ActiveJob& job, uint32_t attempt, const Moment& now, Actions& actions);
  // Its pictures wait again. `lost`: it took its worker with it, or hangs it; that may end the job.
  void EndAttempt(ActiveJob& job, uint32_t attempt, const std::string& reason, bool lost, const Moment& now,
                  Actions& actions);
  void End(const std::string& id, v1::JobState state, const absl::Status& error, const Moment& now,
           Actions& actions);

  // --- Time (leases.cc).

  // The present by a clock that stands still while the server does not listen. All below go by it.
  Moment Listening(const Moment& now) const { return {now.wall, now.steady - deaf_}; }
  void DropSilent(const Moment& now, Actions& actions);
  void TakeFromStuck(const Moment& now, Actions& actions);
  void TakeFromStuck(Worker& worker, const Moment& now, Actions& actions);
  void EndLate(const Moment& now, Actions& actions);
  void GiveUpRevisions(const Moment& now);
  // Lets go of what is held for tenants who have room: their limit has changed, or what went before it cannot
  // be placed. A few tenants at a time.
  void ReviewHeld();

  // --- Placement (placement.cc).

  struct Round;
  struct Candidate;

  // Ends what has no hope and places what can be placed, by what has changed since the last time.
  void Settle(const Moment& now, Actions& actions);
  // Ends jobs that every worker they could go to has failed.
  void EndHopeless(const Moment& now, Actions& actions);
  void Place(const Moment& now, Actions& actions);
  // The first in order for which there may be room, at a worker and for its tenant; none if there is none.
  Candidate NextInOrder(const Round& round);
  // The same without regard to what its tenant may have running.
  Candidate FirstInOrder(const Round& round) const;
  // The first of a class and model for which there may be such room; null if there is none.
  const JobQueue::Waiting* FirstFor(const std::string& model, int priority, Fleet::Room room,
                                    const Round& round) const;
  // Gives a picture of it to a worker with such room, and all of them if it must run alone. False if there is
  // no room for it after all.
  bool PlaceOne(ActiveJob& job, Fleet::Room room, Round& round);
  // Whether it may go where there is room for such tenants alone: of its tenant no worker has a picture.
  bool IsOfNewTenant(const JobQueue::Waiting& waiting) const;
  bool PlaceAlone(ActiveJob& job, Round& round);
  void Give(ActiveJob& job, Worker& worker, Round& round);
  void Send(const Round& round, Actions& actions) const;
  // It may be what its workers die of.
  bool MustRunAlone(const ActiveJob& job) const { return job.losses() >= options_.losses_before_alone; }

  // --- Estimates (estimates.cc).

  void UpdatePrices(const Worker& worker, const v1::Capacity& capacity);
  // By model: how much of its work is expected to fall on the workers that have this one.
  JobQueue::Shares SharesWith(const std::string& model) const;

  const Options options_;
  JobQueue queue_;
  Fleet fleet_;
  Prices prices_;
  RunningWork running_;
  TenantRoom tenants_;
  std::string reviewed_;  // the tenant that ReviewHeld has looked at last
  ById<ActiveJob> jobs_;
  size_t running_jobs_ = 0;
  // Waiting jobs that workers have failed, by model; and the models that have lost a worker since the last
  // look.
  std::map<std::string, std::set<std::string>> failed_;
  std::set<std::string> hopes_;
  std::set<std::string> changed_;  // models with room or waiting jobs that have not been looked at
  bool placing_ = true;

  DueTimes<absl::Duration> leases_;     // of workers
  DueTimes<absl::Duration> overdue_;    // workers with pictures that may hang
  DueTimes<absl::Duration> trust_;      // workers that get another chance
  DueTimes<absl::Duration> revisions_;  // jobs that wait for their weights
  DueTimes<absl::Time> deadlines_;      // of jobs
  absl::Duration deaf_;                 // in all
  std::optional<absl::Duration> last_tick_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_DISPATCHER_H_
