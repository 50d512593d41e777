// Which worker does what: jobs, workers, attempts, leases and placement.
//
// Plain state: every call is an event with the time it happened, every return value the actions that follow
// from it. No threads, no clock, no I/O, so that a test (or a simulation of many faults) drives it directly.
// The threaded shell around it is generation/service.
//
// dispatcher.cc takes the events, placement.cc decides where jobs go, estimates.cc says how long they take.
#ifndef MIND_SERVER_DISPATCH_DISPATCHER_H_
#define MIND_SERVER_DISPATCH_DISPATCHER_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/worker.pb.h"
#include "server/dispatch/actions.h"
#include "server/dispatch/active_job.h"
#include "server/dispatch/moment.h"
#include "server/dispatch/worker.h"
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
    // When so many later jobs have gone before a job, because they fitted where it did not, a worker is kept
    // free for it.
    int max_passed_over = 8;
    // What one evaluation row is taken to cost before any worker has measured the model.
    double default_row_seconds = 0.05;
  };

  explicit Dispatcher(const Options& options) : options_(options), queue_(options.default_row_seconds) {}

  // Jobs. A new job must be QUEUED with spec and defaults filled in; `rows` is its cost in denoiser rows over
  // all pictures; `images_done` are pictures that need not be made (after a restart).
  Actions OnSubmit(const v1::Job& job, double rows, const std::set<uint32_t>& images_done, const Moment& now);
  // Ends a job that has not ended, as CANCELLED or FAILED with this error. Nothing for other ids.
  Actions OnCancel(const std::string& id, const absl::Status& reason, const Moment& now);

  // Workers. Whether this one may connect: ALREADY_EXISTS while another process of its name is connected.
  absl::Status CheckName(const v1::Register& registration) const;
  // Replaces a worker of the same name, as if that had been lost.
  Actions OnWorkerConnected(const v1::Register& registration, const Moment& now);
  Actions OnWorkerLost(const std::string& worker, const Moment& now);
  // One message of a connected worker (not `register`); also renews its lease. It is believed about pictures
  // of the newest attempt that this worker holds; checkpoints also about older attempts of its own, and about
  // those of an earlier run of the server. Results must have passed AcceptsResult.
  Actions OnWorkerMessage(const std::string& worker, const v1::ConnectRequest& message, const Moment& now);

  // Leases, standstill, deadlines, and jobs that can be placed now. Call often (Options::late_tick).
  Actions OnTick(const Moment& now);

  // Whether waiting jobs may be placed; they may at first. From the next event on; what runs goes on.
  void SetPlacing(bool placing) { placing_ = placing; }

  // Whether that worker holds this picture in the newest attempt of its job, so that what it says of it
  // counts.
  bool Holds(const std::string& worker, const v1::ImageRef& image) const;
  // Whether a finished picture of an older attempt, which this worker had or an earlier run of the server
  // knew, is wanted: its job waits to be made again.
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
  size_t queued_jobs() const { return queue_.size(); }
  size_t running_jobs() const { return jobs_.size() - queue_.size(); }
  size_t workers() const { return workers_.size(); }
  const JobQueue& queue() const { return queue_; }
  // What a row of the model costs: the mean of the connected workers that have measured it, else the last
  // that was known, else the default.
  double RowSeconds(const std::string& model) const { return queue_.RowSeconds(model); }
  // How long a job of this model and priority would wait if it came now, by the work that goes before it on
  // the workers that have the model; empty if none is connected.
  std::optional<absl::Duration> EstimatedWait(const std::string& model, int priority) const;
  std::optional<absl::Duration> EstimatedWaitOf(const std::string& id, absl::Time now) const;
  std::optional<absl::Duration> EstimatedRemaining(const std::string& id) const;
  // By name. Valid until the next event.
  const std::map<std::string, Worker>& Workers() const { return workers_; }
  size_t RunningImages(const std::string& worker) const;
  std::map<std::string, int64_t> RunningByModel() const;

 private:
  static Worker::PictureKey KeyOf(const v1::ImageRef& image) {
    return {image.job_id(), image.attempt(), image.image_index()};
  }
  // Null unless the worker holds it.
  ActiveJob* FindHeld(const std::string& worker, const v1::ImageRef& image);
  QueuedJob ToQueued(const ActiveJob& job) const;

  // --- Events (dispatcher.cc).

  void OnCapacity(Worker& worker, const v1::Capacity& capacity);
  void OnStarted(Worker& worker, const v1::ImageStarted& started, const Moment& now, Actions& actions);
  void OnProgress(Worker& worker, const v1::ImageProgress& progress, const Moment& now);
  void OnCheckpoint(Worker& worker, const v1::ImageRef& image, uint32_t step, const std::string& data);
  void OnResult(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions);
  void OnFailure(Worker& worker, const v1::ImageRef& image, const absl::Status& error, const Moment& now,
                 Actions& actions);
  // The worker no longer holds this picture: frees its room, and requeues the job when it was the attempt's
  // last.
  void OnImageLeft(Worker& worker, const v1::ImageRef& image, const Moment& now, Actions& actions);
  void LoseWorker(const std::string& name, const Moment& now, Actions& actions);
  void EndLate(const Moment& now, Actions& actions);
  void TakeFromStuck(Worker& worker, const Moment& now, Actions& actions);
  // Tells the attempt's worker to stop, if it is at it.
  void Stop(ActiveJob& job, const Moment& now, Actions& actions);
  // Back to the head of the queue. `lost`: it took its worker with it, or hangs it.
  void Requeue(ActiveJob& job, const std::string& reason, bool lost, const Moment& now, Actions& actions);
  void End(const std::string& id, v1::JobState state, const absl::Status& error, const Moment& now,
           Actions& actions);

  // --- Placement (placement.cc).

  struct PlacementRound {
    const Moment& now;
    std::vector<ActiveJob*> passed;   // those that found no place
    std::set<std::string> kept_free;  // workers reserved for some of these
    // Kinds of job for which there is no room; it only shrinks in a round.
    std::set<std::tuple<std::string, int, int64_t, bool>> full;
  };

  // Places what can be placed, if something has changed since the last time.
  void Settle(const Moment& now, Actions& actions);
  // Ends jobs that every worker they could go to has failed.
  void EndHopeless(const Moment& now, Actions& actions);
  void Place(const Moment& now, Actions& actions);
  // Null if there is none with room.
  Worker* ChooseWorker(const ActiveJob& job, PlacementRound& round);
  void Assign(ActiveJob& job, Worker& worker, const Moment& now, Actions& actions);
  // Whether it could ever run there, by what the worker offers and has failed.
  static bool CanRunOn(const Worker& worker, const ActiveJob& job);
  // The same of a worker that will take work again.
  static bool MayTake(const Worker& worker, const ActiveJob& job);
  // Whether there is room for it now.
  bool FitsOn(const Worker& worker, const ActiveJob& job) const;
  // It may be what its workers die of.
  bool MustRunAlone(const ActiveJob& job) const { return job.losses() >= options_.losses_before_alone; }
  // A job has gone to this worker before those that were passed; who has been passed too often gets a worker
  // kept free.
  void NotePassedOver(const Worker& by, PlacementRound& round);
  void Reserve(const ActiveJob& job, PlacementRound& round);

  // --- Estimates (estimates.cc).

  void UpdatePrice(const std::string& model);
  // How much of a waiting job's work is expected to fall on these workers: their part of those that have its
  // model. Valid until the next event.
  std::function<double(const QueuedJob&)> SharesOn(const std::set<const Worker*>& workers) const;
  std::set<const Worker*> WorkersWith(const std::string& model) const;

  const Options options_;
  JobQueue queue_;
  std::map<std::string, ActiveJob> jobs_;
  std::map<std::string, Worker> workers_;
  std::set<std::string> failed_once_;                // waiting jobs that a worker has failed
  std::map<std::string, std::string> reservations_;  // by waiting job: the worker kept free for it
  bool placing_ = true;
  bool unsettled_ = false;  // room or queue have changed since the last placement
  absl::Duration trusted_again_ = absl::InfiniteDuration();  // when a distrusted worker gets its next chance
  std::optional<absl::Duration> last_tick_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_DISPATCHER_H_
